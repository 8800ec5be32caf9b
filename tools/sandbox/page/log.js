// The panel beside the phone: the counters, the ordered faults, and all calls.

import { element, recipient } from "./phone.js";

const MAX_ROWS = 300;
const FAULT_NAMES = {
  status: "ordered status",
  reset_before_read: "reset before reading",
  reset_after_read: "reset after reading",
  interim: "interim answers before the final one",
  cut: "answer cut",
  garbage: "garbage answer",
  empty: "empty answer",
  html: "HTML answer",
  redirect: "redirect",
  error_code: "ErrorCode in a 200",
  latency: "late",
};

const log = document.getElementById("log");
const counted = new Intl.NumberFormat("en");

function put(id, text) {
  document.getElementById(id).textContent = text;
}

// --- calls ------------------------------------------------------------------------------------------

export function list(call) {
  log.prepend(row(call));
  while (log.children.length > MAX_ROWS) log.lastElementChild.remove();
  document.getElementById("log-empty").hidden = true;
}

export function clearLog() {
  log.replaceChildren();
  document.getElementById("log-empty").hidden = false;
}

function row(call) {
  const made = element("li", "row");
  const status = element("span", `status ${statusClass(call)}`, call.status ?? (call.fault ? "RST" : "—"));
  if (call.status === null) status.title = "The connection ended without an answer";
  const what = element("div", "what");
  const title = element("p", "title", call.push ? call.push.Title : `${call.method} ${call.path}`);
  title.dir = "auto";
  what.append(title, traits(call));
  if (call.violations.length) what.append(violations(call.violations));
  const time = element("time", "", new Date(call.time).toLocaleTimeString([], { hour12: false }));
  time.dateTime = call.time;
  time.title = `Call ${call.number}`;
  made.append(status, what, time);
  return made;
}

function statusClass(call) {
  if (call.status === null) return "lost";
  if (call.fault === "error_code") return "refused";
  return { 2: "good", 3: "refused", 4: "refused", 5: "down" }[Math.floor(call.status / 100)] ?? "down";
}

function traits(call) {
  const made = element("p", "traits");
  const chip = (text, kind = "") => made.append(element("span", `chip ${kind}`, text));
  chip((call.content_type ?? "no type").replace("application/", "").replace(/;.*/, "").toUpperCase());
  if (call.push) made.append(element("bdi", "chip plain", recipient(call.push)));
  if (call.latency_secs) chip(`${call.latency_secs} s late`, "fault");
  if (call.fault) chip(FAULT_NAMES[call.fault] ?? call.fault, "fault");
  if (call.over_quota) chip("over quota", "broken");
  if (call.over_connections) chip("too many connections", "broken");
  if (call.status === 401 && !call.fault) chip("wrong credentials", "broken");
  if (call.accepted && call.fault) chip("shown, but the caller cannot know", "plain");
  if (call.correlation_id) {
    const id = element("span", "chip plain id", call.correlation_id);
    id.title = "X-Correlation-Id";
    made.append(id);
  }
  return made;
}

function violations(found) {
  const made = element("ul", "violations");
  for (const violation of found) {
    const one = element("li");
    if (violation.field) one.append(element("code", "", violation.field), " ");
    one.append(violation.message);
    made.append(one);
  }
  return made;
}

// --- counters ---------------------------------------------------------------------------------------

function gauge(name, used, limit) {
  const meter = document.getElementById(`${name}-meter`);
  put(`${name}-limit`, limit === null ? "no limit" : `/ ${counted.format(limit)}`);
  meter.hidden = limit === null;
  meter.max = limit || 1;
  meter.high = meter.max;
  meter.value = used;
  meter.classList.toggle("over", limit !== null && used > limit);
  meter.classList.toggle("near", limit !== null && used <= limit && used >= limit * 0.8);
}

export function count(summary) {
  put("calls-today", counted.format(summary.calls_today));
  put("max-connections", counted.format(summary.max_connections));
  put("accepted", counted.format(summary.accepted));
  put("of-calls", `of ${counted.format(summary.calls)} calls`);
  put("invalid", counted.format(summary.invalid));
  put("contract-word", summary.calls && !summary.invalid ? "all in order" : "");
  document.getElementById("invalid").classList.toggle("bad", summary.invalid > 0);
  gauge("calls", summary.calls_today, summary.limits.daily_calls);
  gauge("connections", summary.max_connections, summary.limits.connections);
  const orders = summary.orders.map((order) => {
    const often = { null: "every call", 1: "once" }[order.times] ?? `${order.times} times`;
    const likely = order.probability < 1 ? `, ${Math.round(order.probability * 100)} %` : "";
    return `${FAULT_NAMES[order.kind]} (${often}${likely})`;
  });
  put("in-force", orders.length ? `Ordered: ${orders.join(", ")}` : "");
}

// --- requests to the control API ---------------------------------------------------------------------

async function ask(method, path, body) {
  const json = body && { "Content-Type": "application/json" };
  const answer = await fetch(`/_sandbox/${path}`, { method, body, headers: json || {} });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status}`);
}

document.getElementById("orders").addEventListener("click", (event) => {
  const order = event.target.dataset.order;
  if (order) ask("POST", "faults", order).catch(reportError);
});

document.getElementById("clear").addEventListener("click", () => {
  ask("DELETE", "calls").catch(reportError);
});
