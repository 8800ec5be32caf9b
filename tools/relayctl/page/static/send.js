// Send an example of a source, or a pasted request, or only preview it.

import { api, byId, card, count, make, pretty, rich, setOptions } from "./dom.js";

const source = byId("send-source");
const example = byId("send-example");
const result = byId("sent");
let sources = [];
let address = ""; // for webhooks, with {source} in place of a source's name

export async function loadSources() {
  const found = await api("GET", "/examples");
  sources = found.sources;
  address = found.url;
  byId("webhook-url").textContent = address;
  setOptions(source, sources.map((each) => [each.source, each.source]));
  listExamples();
}

function listExamples() {
  byId("send-url").textContent = address.replace("{source}", source.value);
  const found = sources.find((each) => each.source === source.value)?.examples ?? [];
  setOptions(example, found.map((each) => [each.name, each.through_aws ? `${each.name} (through AWS)` : each.name]));
}

const isPasted = () => byId("send-form").elements.what.value === "pasted";

function arrange() {
  const pasted = isPasted();
  byId("pasted").hidden = !pasted;
  byId("example-field").hidden = byId("copy-example").hidden = pasted;
}

function choice() {
  const chosen = {
    source: source.value,
    sign: byId("send-sign").checked,
    as_new: byId("send-new").checked,
  };
  if (!isPasted()) return { ...chosen, example: example.value };
  return {
    ...chosen,
    headers: byId("send-headers").value,
    query: byId("send-query").value,
    body: byId("send-body").value,
  };
}

// Copy a text, and show that for a moment.
async function copy(button, text) {
  const name = button.textContent;
  await navigator.clipboard.writeText(text);
  button.textContent = "Copied";
  setTimeout(() => {
    button.textContent = name;
  }, 1500);
}

async function run(button, work) {
  button.disabled = true;
  result.setAttribute("aria-busy", "true");
  try {
    result.replaceChildren(...(await work()));
  } catch (error) {
    result.replaceChildren(make("p", "send-error", {}, error.message));
  } finally {
    button.disabled = false;
    result.removeAttribute("aria-busy");
  }
}

// --- send -------------------------------------------------------------------------------------------

async function send() {
  const sent = await api("POST", "/send", choice());
  const made = [make("p", "sent-line", {}, `Sent: ${count(sent.events.length, "event")}.`)];
  if (sent.note) made.push(make("p", "note", {}, `Note: ${sent.note}.`));
  for (const number of sent.events.slice(0, 5)) {
    const button = make("button", "", { type: "button" }, `Open event ${number}`);
    button.addEventListener("click", () => {
      document.dispatchEvent(new CustomEvent("show-view", { detail: "events" }));
      document.dispatchEvent(new CustomEvent("open-event", { detail: number }));
    });
    made.push(button);
  }
  return made;
}

// --- preview ----------------------------------------------------------------------------------------

export function previewOf(event) {
  const made = [];
  const words = event.pushes.length ? event.pushes : event.messages;
  for (const push of words) made.push(card(push, push.to ?? "nobody"));
  const reason = [event.code, event.detail].filter(Boolean).join(": ");
  if (reason && !event.pushes.length) made.push(make("p", "preview-reason", {}, ...rich(reason)));
  for (const each of event.violations) {
    made.push(make("p", "preview-reason", {}, `${each.pointer || "(the document)"} breaks ${each.rule}`));
  }
  return made;
}

async function preview() {
  const found = await api("POST", "/preview", choice());
  const made = [
    make("p", "sent-line", {}, "Preview, nothing was sent: ", make("span", `verdict v-${found.status}`, {}, found.status)),
  ];
  for (const event of found.events) made.push(...previewOf(event));
  if (!found.events.length && found.answer?.body) made.push(make("pre", "code", {}, pretty(found.answer.body)));
  return made;
}

// --- events -----------------------------------------------------------------------------------------

async function copyExample() {
  const path = `/examples/${encodeURIComponent(source.value)}/${encodeURIComponent(example.value)}`;
  const found = await api("GET", path);
  byId("send-headers").value = found.headers.map(([name, value]) => `${name}: ${value}`).join("\n");
  byId("send-query").value = found.query;
  byId("send-body").value = pretty(found.body);
  byId("send-form").elements.what.value = "pasted";
  arrange();
  byId("send-body").focus();
  return [];
}

byId("copy-url").addEventListener("click", (event) => copy(event.currentTarget, byId("send-url").textContent));
byId("copy-secret").addEventListener("click", async (event) => {
  const button = event.currentTarget;
  const found = await api("GET", `/secrets/${encodeURIComponent(source.value)}`);
  copy(button, found.secret);
});
document.addEventListener("files-changed", () => loadSources().catch(() => {}));
source.addEventListener("change", listExamples);
byId("send-form").addEventListener("change", arrange);
byId("send-form").addEventListener("submit", (event) => {
  event.preventDefault();
  run(event.submitter ?? byId("send-form").querySelector(".primary"), send);
});
byId("send-preview").addEventListener("click", (event) => run(event.currentTarget, preview));
byId("copy-example").addEventListener("click", (event) => run(event.currentTarget, copyExample));
arrange();
