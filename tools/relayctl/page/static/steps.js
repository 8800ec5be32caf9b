// The steps of an event's story as elements: each has a title, a state, a summary and content.

import { card, clock, count, duration, make, pretty, rich, size } from "./dom.js";

const CONDITIONS = { holds: "holds", false: "does not hold", failed: "cannot be evaluated on this event" };
const SKIPPED = {
  proof: "the proof was not verified",
  address: "the caller's address was not checked",
  subscription: "the subscription was not confirmed",
  secret: "the handshake's secret was not kept",
  settings: "settings that are stored beside the secret were not known",
};

export function stepsOf(story) {
  return [
    requestStep(story),
    verificationStep(story),
    schemaStep(story),
    ruleStep(story),
    routeStep(story),
    pushStep(story),
    vendorStep(story),
    receiptStep(story),
  ];
}

function step(title, state, summary, content, isOpen = state === "failed") {
  return { title, state, summary, content, isOpen };
}

const note = (text) => make("p", "note", {}, ...rich(text));

// --- pieces -----------------------------------------------------------------------------------------

function code(text, label) {
  const block = make("pre", "code", { tabindex: 0, "aria-label": label }, text);
  const copy = make("button", "copy", { type: "button", "aria-label": `Copy: ${label}` }, "Copy");
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text);
    copy.textContent = "Copied";
  });
  return make("div", "code-frame", {}, copy, block);
}

function table(rows, className = "") {
  const body = make("dl", `pairs ${className}`);
  for (const [name, value] of rows) {
    body.append(make("div", "", {}, make("dt", "", {}, name), make("dd", "", { dir: "auto" }, value)));
  }
  return body;
}

// An expression as code. One that contains a backtick, a literal of JMESPath, stays text.
const quoted = (text) => (text.includes("`") ? text : `\`${text}\``);

const heading = (text) => make("h3", "", {}, text);

function list(items) {
  return make("ol", "checks", {}, ...items);
}

function check(state, text, detail = "") {
  const mark = { passed: "✓", failed: "✗", skipped: "–" }[state] ?? "·";
  const word = { passed: "passed", failed: "failed", skipped: "not reached" }[state];
  return make(
    "li",
    `check ${state}`,
    {},
    make("span", "mark", { "aria-hidden": "true" }, mark),
    make("span", "hidden-label", {}, `${word}: `),
    make("span", "", {}, text),
    detail ? make("span", "check-detail", {}, ...rich(detail)) : "",
  );
}

// --- steps ------------------------------------------------------------------------------------------

function requestStep(story) {
  const { request, answer } = story;
  if (!request && story.message !== null) {
    const content = [code(pretty(story.message), "The message in the queue")];
    return step("Request", "none", "a message in the queue, as AWS delivers it", content);
  }
  if (!request) {
    const text =
      "The request did not come through the page's address for webhooks, so only its log lines are known. " +
      "A log never has a payload.";
    return step("Request", "none", "not recorded", [note(text)]);
  }
  const content = [heading("Headers"), table(request.headers, "headers")];
  if (request.query.length) content.push(heading("Query"), table(request.query));
  content.push(heading("Body"));
  if (request.body === null) content.push(note(`${size(request.bytes)} that are not text`));
  else if (request.body) content.push(code(pretty(request.body), "The request's body"));
  else content.push(note("empty"));
  if (request.is_cut) content.push(note("only the beginning is shown"));
  content.push(heading(`Answer: ${answer.status}`), table(answer.headers, "headers"));
  if (answer.body) content.push(code(pretty(answer.body), "The answer's body"));
  const summary = `${request.method} ${request.path}, ${size(request.bytes)}; answered ${answer.status} in ${answer.ms} ms`;
  return step("Request", answer.status < 400 ? "passed" : "none", summary, content, false);
}

function verificationStep(story) {
  const title = "Verification";
  if (story.verification === null) {
    const text = story.message === null ? "not recorded" : "AWS knows who has sent it (IAM)";
    return step(title, "none", text, [note("There is no proof to verify.")]);
  }
  const failed = story.verification.find((each) => each.state === "failed");
  const reached = story.verification.some((each) => each.state === "passed");
  const content = [list(story.verification.map((each) => check(each.state, each.title, each.detail)))];
  for (const skipped of story.skipped) content.push(note(`In this explanation ${SKIPPED[skipped] ?? skipped}.`));
  if (failed) return step(title, "failed", `not passed: ${lower(failed.title)}`, content);
  return step(title, reached ? "passed" : "skipped", reached ? "the sender is genuine" : "not reached", content);
}

const lower = (text) => text[0].toLowerCase() + text.slice(1);

function schemaStep(story) {
  const why = story.explained;
  const title = "Schema";
  if (!why) return step(title, "none", known(story), [note(unknownText(story))]);
  if (why.violations.length) {
    const rows = why.violations.map((each) => [each.pointer || "(the document)", `breaks ${each.rule}`]);
    const summary = `broken in ${count(why.violations.length, "place")}`;
    return step(title, "failed", summary, [table(rows, "headers")]);
  }
  if (!why.event) {
    const isRead = why.code === "malformed_request" || why.code === "unsupported_media_type";
    return step(title, isRead ? "failed" : "skipped", isRead ? "the body cannot be read" : "not reached", [
      note(why.detail ?? ""),
    ]);
  }
  const rows = [
    ["type", why.event.type || "none"],
    ["id", why.event.id],
    ["identity", why.event.identity],
    ["remembered", why.remember_secs === null ? "as long as the ledger remembers" : `for ${duration(why.remember_secs)}`],
  ];
  if (why.is_fallback) {
    const reason = why.unrouted ? `there is no route for ${why.unrouted}, which would take it` : "no other source's match rule fits";
    rows.push(["fallback", reason]);
  }
  const content = [table(rows, "headers"), heading("data"), code(JSON.stringify(why.event.data, null, 2), "The event's data")];
  return step(title, "passed", `fits; type ${why.event.type || "none"}`, content);
}

const known = (story) => (story.request || story.message !== null ? "no event" : "not recorded");

function unknownText(story) {
  if (story.verdict === "handshake") return "It is a question of the sender, and not an event.";
  return story.request ? "The request carries no event." : "Only the log lines of this event are known.";
}

function ruleStep(story) {
  const why = story.explained;
  const title = "Message rule";
  if (!why) return step(title, "none", known(story), [note(unknownText(story))]);
  if (!why.event) return step(title, "skipped", "not reached", [note("The event was refused before.")]);
  const items = why.rules.map((rule) => {
    const state = { holds: "passed", false: "skipped", failed: "failed" }[rule.condition];
    const condition = rule.when === null ? "it has no condition" : `${CONDITIONS[rule.condition]}: ${quoted(rule.when)}`;
    const name = rule.skip && rule.condition === "holds" ? `Rule ${rule.number} writes no push: ${rule.skip}` : `Rule ${rule.number}`;
    return check(state, name, condition);
  });
  const content = [items.length ? list(items) : note("The source has no message rule.")];
  for (const written of why.messages) {
    content.push(heading(`The words of rule ${written.rule}`), card(written, ""));
  }
  const failed = story.code === "mapping_failed";
  if (failed && why.detail) content.push(note(why.detail));
  if (failed) return step(title, "failed", "the words cannot be written", content);
  if (why.writing_rule === null) return step(title, "none", "no rule holds: nobody is notified", content, true);
  if (!why.messages.length) return step(title, "none", `rule ${why.writing_rule} writes no push`, content, true);
  return step(title, "passed", `rule ${why.writing_rule} writes`, content, false);
}

function routeStep(story) {
  const why = story.explained;
  const title = "Routes";
  if (!why) return step(title, "none", known(story), [note(unknownText(story))]);
  if (!why.event) return step(title, "skipped", "not reached", [note("The event was refused before.")]);
  const items = why.routes.flatMap((route) => {
    const state = route.applies ? "passed" : route.condition === "failed" ? "failed" : "skipped";
    const condition = route.when === null ? "for every event" : `${CONDITIONS[route.condition]}: ${quoted(route.when)}`;
    const own = check(state, `Route ${route.number}`, condition);
    for (const to of route.to) own.append(recipient(to));
    return [own];
  });
  const people = why.routes.flatMap((route) => route.to.filter((to) => to.recipient)).length;
  const content = items.length
    ? [list(items)]
    : [note("relay.toml has no route for this source. Add one, and the stack uses it when you save the file.")];
  if (!people && story.start_routes) {
    content.push(heading("Routes to start with"), code(story.start_routes, "Routes to start with"));
  }
  if (!people) return step(title, "none", "no route leads to anybody", content, true);
  const applied = why.routes.filter((route) => route.applies).map((route) => route.number);
  const summary = `route ${applied.join(" and ")} leads to ${count(people, "recipient")}`;
  return step(title, "passed", summary, content, false);
}

function recipient(to) {
  const by = to.recipient && to.recipient !== to.text ? `, by ${to.text}` : "";
  const text = to.recipient ? `to ${to.recipient}${by}` : `${to.text}: ${to.reason}`;
  return make("span", `recipient ${to.recipient ? "" : "is-nobody"}`, { dir: "auto" }, text);
}

function pushStep(story) {
  const title = "Push";
  const why = story.explained;
  if (!story.pushes.length) {
    const state = why && !why.event ? "skipped" : "none";
    return step(title, state, why ? "none" : known(story), [note(why ? "It becomes no push." : unknownText(story))], false);
  }
  const content = story.pushes.flatMap((push) => {
    const account = push.account === "default" ? "" : `, account ${push.account}`;
    const window = push.batch_secs ? `, collected for ${duration(push.batch_secs)} into one push` : "";
    return [
      heading(`To ${push.to}, by route ${push.route}${account}${window}`),
      card(push, push.to),
      heading(push.format === "json" ? "As JSON, which the account uses" : "As JSON"),
      code(pretty(push.json), `The push to ${push.to} as JSON`),
      heading(push.format === "xml" ? "As XML, which the account uses" : "As XML"),
      code(push.xml, `The push to ${push.to} as XML`),
    ];
  });
  const summary = story.pushes.length === 1 ? story.pushes[0].title : count(story.pushes.length, "push", "pushes");
  return step(title, "passed", summary, content, true);
}

function vendorStep(story) {
  const title = "Vendor's answer";
  if (!story.calls.length) return step(title, "none", "no call", [note("The vendor was not called for it.")]);
  const content = story.calls.flatMap((call) => {
    const status = call.status === null ? "no answer" : String(call.status);
    const rows = [["status", status], ["shown on the phone", call.accepted ? "yes" : "no"]];
    if (call.fault) rows.push(["ordered fault", call.fault]);
    for (const violation of call.violations) rows.push([violation.field || "violation", violation.message]);
    const made = [heading(`Call ${call.number}, ${clock(call.time)}`), table(rows, "headers")];
    if (call.answer) made.push(code(pretty(call.answer), `The answer to call ${call.number}`));
    return made;
  });
  const last = story.calls.at(-1);
  const shown = story.calls.filter((call) => call.accepted).length;
  const summary = `${last.status ?? "no answer"}; ${shown} of ${count(story.calls.length, "call")} shown on the phone`;
  return step(title, last.status === 200 ? "passed" : "failed", summary, content, last.status !== 200);
}

function receiptStep(story) {
  const title = "Receipts";
  const content = story.receipts.map((receipt) => {
    const rows = Object.entries(receipt.fields).map(([name, value]) => [name, plain(value)]);
    return make(
      "div",
      "receipt",
      {},
      heading(`${clock(receipt.at)}, ${receipt.outcome ?? receipt.kind}`),
      make("p", "", {}, ...rich(receipt.reason)),
      table(rows, "headers"),
    );
  });
  const own = story.receipts.filter((receipt) => receipt.kind === "receipt");
  if (!own.length) {
    const text = story.verdict === "queued" ? "not written yet" : "none";
    return step(title, "none", text, content.length ? content : [note("No log line is known.")], false);
  }
  const outcomes = own.map((receipt) => receipt.outcome).join(", ");
  const state = { delivered: "passed", duplicate: "passed", filtered: "passed", rejected: "failed", failed: "failed" };
  return step(title, state[story.verdict] ?? "none", outcomes, content, false);
}

function plain(value) {
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}
