// The phone: a lock screen that shows pushes until they expire.
// The texts of a push are set with textContent only, so that they are never read as markup.

const MAX_CARDS = 200;
const FOLDED_CARDS = 3;

const list = document.getElementById("notifications");
const older = document.getElementById("older");
const empty = document.getElementById("empty");
const announcement = document.getElementById("announcement");
const chimeButton = document.getElementById("chime");

let audio = null; // created when the button is clicked, because browsers allow no sound before a click

export function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function icon(name, label) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#${name}`);
  svg.append(use);
  if (label) {
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", label);
  } else {
    svg.setAttribute("aria-hidden", "true");
  }
  return svg;
}

export function recipient(push) {
  if (push.UserId) return `id:${push.UserId}`;
  if (push.UserEmail) return `email:${push.UserEmail}`;
  return `external:${push.UserExternalId}`;
}

// --- notifications ----------------------------------------------------------------------------------

// `isNew` is false for calls that were made before the page was opened. They are not announced and make no sound.
export function show(call, isNew) {
  const arrived = Date.parse(call.time);
  // The meaning of 0 is unknown, so such a push stays.
  const expires = call.push.ExpirySecs > 0 ? arrived + call.push.ExpirySecs * 1000 : Infinity;
  if (expires <= Date.now()) return;
  const made = card(call.push, arrived, expires);
  list.prepend(made);
  offerRest(made);
  while (list.children.length > MAX_CARDS) list.lastElementChild.remove();
  tick();
  arrange();
  if (!isNew) return;
  document.getElementById("shelf").scrollTo({ top: 0 });
  announcement.textContent = `${call.push.Title}: ${call.push.Body}`;
  if (call.push.Sound) chime();
}

export function clearPhone() {
  list.replaceChildren();
  arrange();
}

function card(push, arrived, expires) {
  const made = element("li", "card");
  Object.assign(made.dataset, { arrived, expires });
  const head = element("div", "card-head");
  head.append(element("span", "app-icon"), element("span", "app", "Push"), element("span", "ago"));
  head.querySelector(".app-icon").append(icon("bell"));
  const title = element("h3", "", push.Title);
  const body = element("p", "text", push.Body);
  title.dir = body.dir = "auto";
  made.append(head, title, body, foot(push, expires));
  return made;
}

// Add a button for the rest of a body that is longer than its card. It can be measured only on the page.
function offerRest(made) {
  const body = made.querySelector(".text");
  if (body.scrollHeight <= body.clientHeight + 1) return;
  const rest = element("button", "rest", "Read all");
  rest.type = "button";
  rest.setAttribute("aria-expanded", "false");
  rest.addEventListener("click", () => {
    const whole = body.classList.toggle("whole");
    rest.textContent = whole ? "Read less" : "Read all";
    rest.setAttribute("aria-expanded", String(whole));
  });
  body.after(rest);
}

function foot(push, expires) {
  const made = element("div", "card-foot");
  const to = element("span", "to");
  to.append(icon("person", "To"), element("bdi", "", recipient(push)));
  made.append(to);
  if (Number.isFinite(expires)) {
    const expiry = element("span", "expiry");
    expiry.append(icon("timer", "Disappears in"), element("span", "left"));
    made.append(expiry, element("span", "fuse"));
  }
  if (push.Sound !== undefined) {
    const sound = element("span", push.Sound ? "sound on" : "sound");
    sound.append(icon(push.Sound ? "bell" : "silent", push.Sound ? "With sound" : "Silent"));
    made.append(sound);
  }
  return made;
}

function arrange() {
  const cards = list.querySelectorAll(".card:not(.leaving)").length;
  const hidden = cards - FOLDED_CARDS;
  empty.hidden = cards > 0;
  older.hidden = hidden <= 0;
  const folded = list.classList.contains("folded");
  list.classList.toggle("stacked", folded && hidden > 0);
  older.textContent = folded ? `${hidden} more` : "Show fewer";
  older.setAttribute("aria-expanded", String(!folded));
}

older.addEventListener("click", () => {
  list.classList.toggle("folded");
  arrange();
});

// --- time -------------------------------------------------------------------------------------------

function left(seconds) {
  if (seconds >= 172800) return `${Math.floor(seconds / 86400)} days`;
  const minutes = Math.floor((seconds % 3600) / 60);
  if (seconds >= 3600) return `${Math.floor(seconds / 3600)} h${minutes ? ` ${minutes} min` : ""}`;
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

function ago(seconds) {
  if (seconds < 60) return "now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  return `${Math.floor(seconds / 3600)} h ago`;
}

function leave(expired) {
  expired.classList.add("leaving");
  const gone = () => {
    expired.remove();
    arrange();
  };
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (still || !expired.offsetParent) gone();
  else expired.addEventListener("animationend", gone, { once: true });
}

function tick() {
  const now = Date.now();
  for (const shown of list.querySelectorAll(".card:not(.leaving)")) {
    const arrived = Number(shown.dataset.arrived);
    const expires = Number(shown.dataset.expires);
    shown.querySelector(".ago").textContent = ago((now - arrived) / 1000);
    if (!Number.isFinite(expires)) continue;
    if (now >= expires) {
      leave(shown);
      continue;
    }
    shown.querySelector(".left").textContent = left(Math.ceil((expires - now) / 1000));
    shown.style.setProperty("--left", (expires - now) / (expires - arrived));
  }
  arrange();
  const clock = new Date(now);
  const time = clock.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
  document.getElementById("clock").textContent = time;
  document.getElementById("clock").dateTime = time;
  document.getElementById("status-time").textContent = time;
  document.getElementById("date").textContent = clock.toLocaleDateString("en", {
    weekday: "long",
    day: "numeric",
    month: "long",
  });
}

// --- sound ------------------------------------------------------------------------------------------

function note(hertz, start) {
  const tone = audio.createOscillator();
  const volume = audio.createGain();
  tone.type = "sine";
  tone.frequency.value = hertz;
  volume.gain.setValueAtTime(0, start);
  volume.gain.linearRampToValueAtTime(0.18, start + 0.02);
  volume.gain.exponentialRampToValueAtTime(0.001, start + 0.7);
  tone.connect(volume).connect(audio.destination);
  tone.start(start);
  tone.stop(start + 0.75);
}

function chime() {
  if (chimeButton.getAttribute("aria-pressed") !== "true") return;
  note(880, audio.currentTime);
  note(1318.5, audio.currentTime + 0.13);
}

chimeButton.addEventListener("click", () => {
  const on = chimeButton.getAttribute("aria-pressed") !== "true";
  chimeButton.setAttribute("aria-pressed", String(on));
  chimeButton.querySelector("span").textContent = on ? "Chime on" : "Chime off";
  chimeButton.querySelector("use").setAttribute("href", on ? "#bell" : "#silent");
  audio ??= new AudioContext();
  chime();
});

tick();
setInterval(tick, 1000);
