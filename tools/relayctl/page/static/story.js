// The whole story of one event. Its steps follow the pipeline.

import { api, byId, clock, make, rich, titleOf } from "./dom.js";
import { stepsOf } from "./steps.js";

const story = byId("story");
const steps = byId("steps");
// Which steps are open, by their titles, once a person has opened or closed one.
const chosen = new Map();

let number = 0; // of the open event
let request = 0; // of the newest question for a story

export function storyNumber() {
  return number;
}

// Why an event has its verdict; empty if the verdict needs no reason.
export function reasonOf(event) {
  if (event.verdict === "delivered") return "";
  if (event.verdict === "queued") return "accepted, and not delivered yet";
  return [event.code, event.reason].filter(Boolean).join(": ");
}

export function closeStory() {
  number = 0;
  story.hidden = true;
  steps.replaceChildren();
}

export async function openStory(event, takesFocus) {
  const isOther = number !== event.number;
  number = event.number;
  story.hidden = false;
  head(event);
  if (isOther) {
    steps.replaceChildren();
    story.scrollTo({ top: 0 });
  }
  if (takesFocus) byId("story-title").focus();
  request += 1;
  const asked = request;
  try {
    const found = await api("GET", `/events/${event.number}`);
    if (asked === request && number === event.number) show(found);
  } catch (error) {
    if (asked === request) steps.replaceChildren(make("li", "step-error", {}, error.message));
  }
}

function head(event) {
  byId("story-title").textContent = titleOf(event);
  const meta = byId("story-meta");
  meta.replaceChildren(make("span", `verdict v-${event.verdict}`, {}, event.verdict));
  const id = event.id === "-" ? "" : event.id;
  for (const text of [event.source, event.type, id, event.label && `example ${event.label}`, clock(event.at)]) {
    if (text) meta.append(make("span", "", {}, text));
  }
  byId("story-reason").replaceChildren(...rich(reasonOf(event)).filter(Boolean));
}

function show(found) {
  const focused = steps.contains(document.activeElement)
    ? document.activeElement.closest("details")?.dataset.step
    : undefined;
  steps.replaceChildren(...stepsOf(found).map(stepElement));
  if (focused) steps.querySelector(`[data-step="${CSS.escape(focused)}"] summary`)?.focus();
}

const MARKS = { passed: "✓", failed: "✗", skipped: "–", none: "·" };
const WORDS = { passed: "passed", failed: "failed", skipped: "not reached", none: "" };

function stepElement(step) {
  const isOpen = chosen.get(step.title) ?? step.isOpen;
  const details = make("details", "", { open: isOpen, "data-step": step.title });
  const mark = make("span", "mark", { "aria-hidden": "true" }, MARKS[step.state]);
  const summary = make(
    "summary",
    "",
    {},
    mark,
    make("span", "step-title", {}, step.title),
    WORDS[step.state] ? make("span", "hidden-label", {}, `${WORDS[step.state]}: `) : "",
    make("span", "step-summary", {}, step.summary),
  );
  details.append(summary, make("div", "step-body", {}, ...step.content));
  summary.addEventListener("click", () => chosen.set(step.title, !details.open));
  return make("li", `step ${step.state}`, {}, details);
}
