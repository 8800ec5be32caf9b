// Follow the sandbox's event stream, for as long as the page is open.
// The browser reconnects by itself and says where it stopped (Last-Event-ID); where it gives up, we don't.

import { clearLog, count, list } from "./log.js";
import { clearPhone, show } from "./phone.js";

const WORDS = { connecting: "Connecting…", live: "Live", lost: "Reconnecting…" };
const AGAIN_AFTER_MS = 1500;

let caughtUp = false; // the calls before the first summary were made before this page was opened

function tell(connection) {
  document.body.dataset.connection = connection;
  document.getElementById("connection").textContent = WORDS[connection];
}

function follow() {
  const stream = new EventSource("/_sandbox/events");
  stream.addEventListener("open", () => tell("live"));
  stream.addEventListener("error", () => {
    tell("lost");
    if (stream.readyState === EventSource.CLOSED) setTimeout(follow, AGAIN_AFTER_MS);
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
