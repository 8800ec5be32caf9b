// What every part of the relay's page needs: elements, requests to its API, times.
// Data is written with textContent only, so that it is never read as markup.

import { element } from "/_sandbox/page/phone.js";

export { element };

const PREFIX = "/_sandbox/extension";

// The page's key is the fragment of its address. Browsers send it to no server.
export const key = decodeURIComponent(location.hash.slice(1));

export const byId = (id) => document.getElementById(id);

// An element with a class, attributes and children, of which texts become text nodes.
export function make(name, className = "", attributes = {}, ...children) {
  const made = element(name, className);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(attribute, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(attribute, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// A request to the page's API. Throws ApiError with the reason if it is refused.
export async function api(method, path, body, signal) {
  const headers = { "X-Page-Key": key };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const content = body === undefined ? undefined : JSON.stringify(body);
  const answer = await fetch(PREFIX + path, { method, headers, body: content, signal });
  const document = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new ApiError(answer.status, document.error ?? `${method} ${path}: ${answer.status}`);
  return document;
}

export function clock(iso) {
  return new Date(iso).toLocaleTimeString([], { hour12: false });
}

export function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1_000_000 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}

export function duration(secs) {
  for (const [unit, length] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (secs >= length && secs % length === 0) return count(secs / length, unit);
  }
  return count(secs, "second");
}

export function count(number, noun, nouns = `${noun}s`) {
  return `${number} ${number === 1 ? noun : nouns}`;
}

export function announce(text) {
  byId("event-announcement").textContent = text;
}

// A text in which `...` is code.
export function rich(text) {
  const parts = text.split("`");
  if (parts.length % 2 === 0) return [text];
  return parts.map((part, at) => (at % 2 ? make("code", "", {}, part) : part));
}

// JSON with line breaks, or the text as it is.
export function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

// The options of a select. The chosen one stays chosen if it is still there.
export function setOptions(select, options) {
  const before = select.value;
  select.replaceChildren(
    ...options.map(([value, text]) => make("option", "", { value }, text)),
  );
  if (options.some(([value]) => value === before)) select.value = before;
}

// What an event is called in a line: its words, its kind or its source.
export function titleOf(event) {
  if (event.title) return event.title;
  if (event.type) return event.type;
  return event.source && event.source !== "unknown" ? `Request to ${event.source}` : "Request";
}

// The card of a push, as the phone shows it.
export function card(wording, recipient, app = "Push") {
  const made = make("div", "card preview-card");
  const title = make("p", "card-title", { dir: "auto" }, wording.title);
  const body = make("p", "text whole", { dir: "auto" }, wording.body);
  const foot = make("div", "card-foot");
  if (recipient) foot.append(make("span", "to", {}, make("bdi", "", {}, recipient)));
  if (wording.expiry_secs) foot.append(make("span", "", {}, `for ${duration(wording.expiry_secs)}`));
  if (wording.sound !== null) foot.append(make("span", "", {}, wording.sound ? "with sound" : "silent"));
  made.append(make("p", "card-head", {}, make("span", "app", {}, app)), title, body, foot);
  return made;
}
