// The relay's part of the page: its views, and what changes while it is open.

import { api, byId, clock, count, key, make } from "./dom.js";
import { update } from "./events.js";
import { loadSources as loadExamples } from "./send.js";
import { hasUnsaved, loadSources as loadWording, showPreviews } from "./wording.js";

const VIEWS = ["phone", "events", "send", "wording", "calls"];
const RETRY_AFTER_MS = 1500;
const narrow = matchMedia("(max-width: 60rem)");

// --- views ------------------------------------------------------------------------------------------

const panels = {
  phone: byId("phone"),
  events: byId("events-panel"),
  send: byId("send-panel"),
  wording: byId("wording-panel"),
  calls: byId("calls-panel"),
};
const tabs = Object.fromEntries(VIEWS.map((view) => [view, byId(`tab-${view}`)]));
let shown = "events";

export function show(view) {
  shown = view === "phone" && !narrow.matches ? "events" : view;
  for (const name of VIEWS) {
    const isShown = name === shown;
    tabs[name].setAttribute("aria-selected", String(isShown));
    tabs[name].tabIndex = isShown ? 0 : -1;
    // On a wide screen the phone is beside every view.
    panels[name].hidden = name === "phone" ? narrow.matches && !isShown : !isShown;
  }
  showPreviews(shown === "wording", narrow.matches);
}

function arrange() {
  tabs.phone.hidden = !narrow.matches;
  for (const name of VIEWS) {
    const isTab = name !== "phone" || narrow.matches;
    if (isTab) panels[name].setAttribute("role", "tabpanel");
    else panels[name].removeAttribute("role");
  }
  show(shown);
}

function moveTab(event) {
  const visible = VIEWS.filter((view) => !tabs[view].hidden);
  const at = visible.indexOf(shown);
  const moves = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: visible.length - 1 };
  if (!(event.key in moves)) return;
  event.preventDefault();
  const next = visible[(moves[event.key] + visible.length) % visible.length];
  show(next);
  tabs[next].focus();
}

for (const view of VIEWS) tabs[view].addEventListener("click", () => show(view));
byId("tabs").addEventListener("keydown", moveTab);
narrow.addEventListener("change", arrange);
document.addEventListener("show-view", (event) => show(event.detail));

// --- the files that the functions use -------------------------------------------------------------------

const PHASES = {
  idle: (state) => `The stack uses the files of ${clock(state.since)}`,
  loading: () => "The stack is loading the changed files…",
  mistakes: (state) =>
    `${count(state.findings.length, "mistake")}: the stack still uses the files of ${clock(state.since)}`,
  failed: (state) => `The stack still uses the files of ${clock(state.since)}`,
};

let since = "";

function showState(state) {
  if (since && since !== state.since) document.dispatchEvent(new CustomEvent("files-changed"));
  since = state.since;
  const line = byId("files");
  const text = PHASES[state.phase](state);
  line.dataset.phase = state.phase;
  if (line.textContent !== text) line.textContent = text;
  const list = byId("files-findings");
  list.replaceChildren(...state.findings.map((finding) => make("li", "", {}, finding)));
  list.hidden = state.findings.length === 0;
}

// --- what changes -----------------------------------------------------------------------------------

async function follow() {
  let run = "";
  let version = 0;
  for (;;) {
    try {
      const wait = run ? "&wait=1" : "";
      const changes = await api("GET", `/events?after=${version}&run=${run}${wait}`);
      const isFirst = changes.run !== run;
      update(changes, isFirst);
      showState(changes.state);
      if (isFirst) await Promise.all([loadExamples(), loadWording()]);
      ({ run, version } = changes);
    } catch (error) {
      if (error.status === 403) {
        lock();
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER_MS));
    }
  }
}

function lock() {
  byId("locked").hidden = false;
  byId("bar").hidden = true;
  for (const view of ["events", "send", "wording"]) panels[view].hidden = true;
  panels.calls.hidden = false;
  panels.phone.hidden = false;
}

addEventListener("beforeunload", (event) => {
  if (hasUnsaved()) event.preventDefault();
});
// Another key in the address is another page.
addEventListener("hashchange", () => location.reload());

if (key) {
  document.body.classList.add("with-relay");
  byId("bar").hidden = false;
  arrange();
  follow();
} else {
  lock();
}
