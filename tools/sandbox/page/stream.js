// The sandbox's event stream, which is followed while the page is open.
// The browser reconnects with the id of the last event (Last-Event-ID). If it gives up, a new stream is opened.

import { clearLog, count, list } from "./log.js";
import { clearPhone, show } from "./phone.js";

const STATES = { connecting: "Connecting…", live: "Live", lost: "Reconnecting…" };
const RETRY_AFTER_MS = 1500;

let caughtUp = false; // calls before the first summary were made before this page was opened

function showConnection(state) {
  document.body.dataset.connection = state;
  document.getElementById("connection").textContent = STATES[state];
}

function follow() {
  const stream = new EventSource("/_sandbox/events");
  stream.addEventListener("open", () => showConnection("live"));
  stream.addEventListener("error", () => {
    showConnection("lost");
    if (stream.readyState === EventSource.CLOSED) setTimeout(follow, RETRY_AFTER_MS);
  });
  stream.addEventListener("cleared", () => {
    clearLog();
    clearPhone();
  });
  stream.addEventListener("call", (event) => {
    const call = JSON.parse(event.data);
    list(call);
    if (call.accepted) show(call, caughtUp);
  });
  stream.addEventListener("summary", (event) => {
    caughtUp = true;
    count(JSON.parse(event.data));
  });
}

follow();
