// Edit the files of a source. While a person types, the phone shows what the examples become.

import { api, byId, count, make, rich, setOptions } from "./dom.js";
import { previewOf } from "./send.js";

const PREVIEW_AFTER_MS = 250;
const ALL = "";
const NOTE = "Preview: nothing is sent";
const NOTE_OF_MISTAKES = "Preview of the last version without a mistake";

const source = byId("wording-source");
const example = byId("wording-example");
const text = byId("wording-text");
const gutter = byId("gutter");
const state = byId("wording-state");

let opened = null; // the source's files as they are on disk, with their versions
let texts = {}; // the edited texts, by file
let file = "source.toml";
let saved = new Map(); // by example: what it becomes with the files on disk
let timer = 0;
let asked = 0;

export async function loadSources() {
  const found = await api("GET", "/examples");
  const before = source.value;
  setOptions(source, found.sources.map((each) => [each.source, each.source]));
  if (source.value && (source.value !== before || !opened)) await open(source.value);
}

const changedFiles = () => (opened ? Object.keys(texts).filter((name) => texts[name] !== opened.files[name]) : []);

export const hasUnsaved = () => changedFiles().length > 0;

// --- files ------------------------------------------------------------------------------------------

async function open(name) {
  try {
    opened = await api("GET", `/sources/${encodeURIComponent(name)}`);
  } catch (error) {
    state.textContent = error.message;
    return;
  }
  texts = { ...opened.files };
  setOptions(example, [[ALL, "all examples"], ...opened.examples.map((each) => [each, each])]);
  showFile();
  saved = new Map();
  await preview();
}

// Load the files again if an editor has changed them. Text that a person has typed here stays.
async function refresh() {
  if (!opened) return;
  const found = await api("GET", `/sources/${encodeURIComponent(opened.source)}`).catch(() => null);
  if (!found || found.source !== opened.source) return;
  const isSame = Object.entries(found.versions).every(([name, version]) => opened.versions[name] === version);
  if (isSame) return;
  if (hasUnsaved()) {
    state.textContent = "The files have changed on disk. Load them, or save over them after that.";
    return;
  }
  opened = found;
  texts = { ...opened.files };
  showFile();
  saved = new Map();
  await preview();
}

function showFile() {
  text.value = texts[file];
  text.setAttribute("aria-label", `The text of ${file}`);
  text.readOnly = !opened.is_writable;
  number([]);
  text.scrollTo({ top: 0, left: 0 });
  showState();
}

function showState() {
  const changed = changedFiles();
  byId("wording-save").disabled = !changed.length || !opened?.is_writable;
  if (!opened.is_writable) state.textContent = `${opened.folder} is a link, and cannot be edited here`;
  else if (changed.length) state.textContent = `Not saved: ${changed.join(", ")}`;
  else state.textContent = `As saved in ${opened.folder}`;
}

async function save() {
  if (!hasUnsaved()) return;
  const files = Object.fromEntries(changedFiles().map((name) => [name, texts[name]]));
  const versions = Object.fromEntries(Object.keys(files).map((name) => [name, opened.versions[name]]));
  try {
    opened = await api("PUT", `/sources/${encodeURIComponent(opened.source)}`, { files, versions });
  } catch (error) {
    state.textContent = `Not saved: ${error.message}`;
    return;
  }
  saved = new Map();
  await preview();
  showState();
  state.textContent = `Saved. The stack uses it in some seconds.`;
}

// --- mistakes ---------------------------------------------------------------------------------------

// Number the lines, and mark those of findings.
function number(findings) {
  const lines = text.value.split("\n").length;
  const marked = new Map(findings.map((finding) => [finding.line, finding.severity]));
  gutter.replaceChildren(
    ...Array.from({ length: lines }, (_, at) => make("span", marked.get(at + 1) ?? "", {}, String(at + 1))),
  );
  gutter.scrollTop = text.scrollTop;
}

function showFindings(findings) {
  const list = byId("wording-findings");
  list.replaceChildren(...findings.map(findingElement));
  list.hidden = findings.length === 0;
  const own = findings.filter((finding) => finding.file === file && finding.line);
  number(own);
  const mistakes = findings.filter((finding) => finding.severity === "error").length;
  text.setAttribute("aria-invalid", String(mistakes > 0));
  byId("wording-save").textContent = mistakes ? `Save with ${count(mistakes, "mistake")}` : "Save";
}

function findingElement(finding) {
  const place = finding.line ? `${finding.file}, line ${finding.line}` : finding.file;
  const message = finding.key ? `${finding.key}: ${finding.message}` : finding.message;
  const button = make("button", "", { type: "button" }, place);
  button.addEventListener("click", () => goTo(finding));
  return make("li", finding.severity, {}, button, " ", ...rich(message));
}

function goTo(finding) {
  if (finding.file in texts && finding.file !== file) choose(finding.file);
  const lines = text.value.split("\n");
  const at = Math.max(0, (finding.line ?? 1) - 1);
  const start = lines.slice(0, at).reduce((length, line) => length + line.length + 1, 0);
  text.focus();
  text.setSelectionRange(start, start + (lines[at]?.length ?? 0));
  const height = text.scrollHeight / lines.length;
  text.scrollTop = Math.max(0, at * height - text.clientHeight / 2);
}

function choose(name) {
  file = name;
  for (const option of byId("wording-files").querySelectorAll("input")) option.checked = option.value === name;
  showFile();
}

// --- preview ----------------------------------------------------------------------------------------

async function preview() {
  if (!opened) return;
  asked += 1;
  const own = asked;
  const files = { ...texts };
  const path = `/sources/${encodeURIComponent(opened.source)}/preview`;
  const examples = example.value ? [example.value] : [];
  let found;
  try {
    found = await api("POST", path, { files, examples });
  } catch (error) {
    if (own === asked) state.textContent = error.message;
    return;
  }
  if (own !== asked) return;
  const isAsSaved = !hasUnsaved();
  for (const each of found.previews) {
    if (isAsSaved) saved.set(each.example, JSON.stringify(each.events));
  }
  showFindings(found.findings);
  showPreview(found);
}

function showPreview(found) {
  const list = byId("preview-list");
  list.classList.toggle("is-outdated", !found.is_valid);
  byId("previews-note").textContent = found.is_valid ? NOTE : NOTE_OF_MISTAKES;
  if (!found.is_valid) return; // the last preview stays
  list.replaceChildren(...found.previews.map(previewElement));
  if (!found.previews.length) list.append(make("li", "preview-reason", {}, "The source has no example."));
  list.querySelector(".is-changed")?.scrollIntoView({ block: "nearest" });
}

function previewElement(found) {
  const before = saved.get(found.example);
  const isChanged = before !== undefined && before !== JSON.stringify(found.events);
  const head = make("p", "preview-head", {}, make("span", "", {}, found.example || "relay.toml"));
  if (isChanged) head.append(make("span", "changed", {}, "changed"));
  if (found.status) head.append(make("span", `verdict v-${found.status}`, {}, found.status));
  const content = found.error
    ? [make("p", "preview-reason", {}, found.error)]
    : found.events.flatMap(previewOf);
  return make("li", isChanged ? "is-changed" : "", {}, head, ...content);
}

// On a wide screen the phone shows the previews instead of its pushes.
export function showPreviews(isShown, isNarrow) {
  const previews = byId("previews");
  const phone = byId("phone");
  const onPhone = isShown && !isNarrow;
  phone.classList.toggle("is-previewing", onPhone);
  const place = onPhone ? byId("shelf") : byId("wording-panel");
  if (previews.parentElement !== place) place.append(previews);
  previews.hidden = !isShown;
}

// --- events -----------------------------------------------------------------------------------------

text.addEventListener("input", () => {
  texts[file] = text.value;
  number([]);
  showState();
  clearTimeout(timer);
  timer = setTimeout(preview, PREVIEW_AFTER_MS);
});
text.addEventListener("scroll", () => {
  gutter.scrollTop = text.scrollTop;
});
source.addEventListener("change", () => {
  if (hasUnsaved() && !confirm(`Discard the changes of ${opened.source}?`)) source.value = opened.source;
  else open(source.value);
});
example.addEventListener("change", preview);
byId("wording-files").addEventListener("change", (event) => {
  choose(event.target.value);
  preview();
});
document.addEventListener("files-changed", async () => {
  await loadSources().catch(() => {}); // a source may have been added
  await refresh();
});
byId("wording-save").addEventListener("click", save);
byId("wording-revert").addEventListener("click", () => {
  if (!hasUnsaved() || confirm("Discard the changes?")) open(source.value);
});
byId("wording-panel").addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s") {
    event.preventDefault();
    save();
  }
});
