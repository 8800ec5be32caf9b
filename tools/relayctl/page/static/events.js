// The list of events, newest first. The arrow keys move in it, Enter opens an event, Esc closes it.

import { announce, api, byId, clock, make, rich, titleOf } from "./dom.js";
import { closeStory, openStory, reasonOf, storyNumber } from "./story.js";

const MAX_ROWS = 500;
// The verdicts about which nobody has to do anything.
const FINE = new Set(["delivered", "duplicate", "filtered", "handshake", "empty", "queued"]);

const list = byId("event-list");
const onlyProblems = byId("only-problems");
const events = new Map(); // by number
const rows = new Map(); // by number

// --- rows -------------------------------------------------------------------------------------------

function fill(button, event) {
  // Without words and type, the title has the source.
  const isNamed = event.title || event.type;
  const about = [isNamed ? event.source : "", event.title ? event.type : "", event.id === "-" ? "" : event.id];
  const reason = reasonOf(event);
  const several = event.of > 1 ? ` (${event.position + 1} of ${event.of})` : "";
  button.replaceChildren(
    make("span", `verdict v-${event.verdict}`, {}, event.verdict),
    make("time", "", { datetime: event.at }, clock(event.at)),
    make("span", "event-title", { dir: "auto" }, titleOf(event)),
    make("span", "event-about", {}, about.filter(Boolean).join(" · ") + several),
    reason ? make("span", "event-reason", {}, ...rich(reason)) : "",
  );
  button.parentElement.classList.toggle("is-fine", FINE.has(event.verdict));
}

function rowOf(event) {
  const button = make("button", "event", { type: "button", "data-number": event.number, tabindex: -1 });
  const row = make("li", "", {}, button);
  rows.set(event.number, row);
  return row;
}

function remove(number) {
  rows.get(number)?.remove();
  rows.delete(number);
  events.delete(number);
  if (storyNumber() === number) close();
}

// --- changes ----------------------------------------------------------------------------------------

// `isFirst` is true for what happened before the page was opened. It is not announced.
export function update(changes, isFirst) {
  if (isFirst) {
    for (const number of [...events.keys()]) remove(number);
  }
  for (const number of changes.removed) remove(number);
  for (const event of changes.events.sort((one, other) => one.number - other.number)) {
    const before = events.get(event.number);
    events.set(event.number, event);
    if (!before) list.prepend(rowOf(event));
    fill(rows.get(event.number).firstElementChild, event);
    if (!isFirst && before?.verdict !== event.verdict) report(event);
    if (storyNumber() === event.number) openStory(event, false);
  }
  while (events.size > MAX_ROWS) remove(Math.min(...events.keys()));
  arrange();
}

// The phone announces what is delivered.
function report(event) {
  if (event.verdict !== "delivered" && event.verdict !== "queued") {
    announce(`${event.verdict}: ${event.source}. ${reasonOf(event)}`);
  }
}

const isFiltered = () => onlyProblems.getAttribute("aria-pressed") === "true";

// The listed rows. On a narrow screen the list is hidden while an event is open.
const visible = () => [...list.querySelectorAll(isFiltered() ? "li:not(.is-fine)" : "li")];

function arrange() {
  const filtered = isFiltered();
  list.classList.toggle("only-problems", filtered);
  const problems = list.querySelectorAll("li:not(.is-fine)").length;
  const number = filtered ? problems : events.size;
  byId("event-count").textContent = events.size ? String(number) : "";
  byId("events-empty").hidden = number > 0;
  byId("events-empty-title").textContent = events.size ? "No problems" : "No events yet";
  byId("newer").disabled = !neighbour(-1);
  byId("older-event").disabled = !neighbour(1);
  const shown = visible();
  const isUsed = storyNumber() || list.contains(document.activeElement);
  const hasChosen = shown.some((row) => row.firstElementChild.tabIndex === 0);
  if (shown.length && !(isUsed && hasChosen)) choose(shown[0].firstElementChild);
}

// Only one row is reached by Tab: the chosen one.
function choose(button) {
  for (const other of list.querySelectorAll("[tabindex='0']")) other.tabIndex = -1;
  button.tabIndex = 0;
}

// --- opening ----------------------------------------------------------------------------------------

function open(number, takesFocus) {
  const event = events.get(number);
  if (!event) return;
  for (const row of list.querySelectorAll("[aria-current]")) row.removeAttribute("aria-current");
  const button = rows.get(number).firstElementChild;
  button.setAttribute("aria-current", "true");
  choose(button);
  byId("events").classList.add("is-open");
  openStory(event, takesFocus);
  arrange();
  button.scrollIntoView({ block: "nearest" });
}

function close() {
  const number = storyNumber();
  closeStory();
  byId("events").classList.remove("is-open");
  for (const row of list.querySelectorAll("[aria-current]")) row.removeAttribute("aria-current");
  rows.get(number)?.firstElementChild.focus();
}

// The number of the row above (-1) or below (1) the open event.
function neighbour(step) {
  const shown = visible();
  const at = shown.indexOf(rows.get(storyNumber()));
  const row = at < 0 ? undefined : shown[at + step];
  return row && Number(row.firstElementChild.dataset.number);
}

function openNeighbour(step) {
  const number = neighbour(step);
  if (number) open(number, false);
}

list.addEventListener("click", (event) => {
  const button = event.target.closest(".event");
  if (button) open(Number(button.dataset.number), true);
});

list.addEventListener("keydown", (event) => {
  const shown = visible();
  const at = shown.indexOf(event.target.closest("li"));
  const moves = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: shown.length - 1 };
  if (!(event.key in moves) || at < 0) return;
  event.preventDefault();
  const next = shown[Math.max(0, Math.min(shown.length - 1, moves[event.key]))].firstElementChild;
  choose(next);
  next.focus();
  if (storyNumber()) open(Number(next.dataset.number), false);
});

byId("events-panel").addEventListener("keydown", (event) => {
  if (event.key === "Escape" && storyNumber()) {
    event.preventDefault();
    close();
  }
});
byId("close-story").addEventListener("click", close);
byId("newer").addEventListener("click", () => openNeighbour(-1));
byId("older-event").addEventListener("click", () => openNeighbour(1));
byId("clear-events").addEventListener("click", () => {
  api("DELETE", "/events").catch((error) => announce(error.message));
});
onlyProblems.addEventListener("click", () => {
  onlyProblems.setAttribute("aria-pressed", String(!isFiltered()));
  arrange();
});
document.addEventListener("open-event", (event) => open(event.detail, true));
