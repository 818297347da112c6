"use strict";
// What the server sent is put into the page as text only, never as markup.

const EVERY = 500;
// Pairs, since an object would put names that are numbers first.
const FAULTS = new Map([
  ["503", { kind: "answer", status: 503 }],
  ["503, applied", { kind: "answer", status: 503, applied: true }],
  ["429, Retry-After 2", { kind: "answer", status: 429, headers: { "Retry-After": "2" } }],
  ["500", { kind: "answer", status: 500 }],
  ["401", { kind: "answer", status: 401 }],
  ["reset", { kind: "reset" }],
  ["reset, applied", { kind: "reset", applied: true }],
  ["reset before the body", { kind: "reset", after: "headers" }],
  ["closed", { kind: "close" }],
  ["answer 5 s late", { kind: "stall", at: "headers", seconds: 5 }],
  ["body cut off", { kind: "truncate", keep: 5 }],
  ["no HTTP", { kind: "raw", data: "lorem ipsum\r\n\r\n" }],
]);
const find = (id) => document.getElementById(id);
let token = new URLSearchParams(location.hash.slice(1)).get("token") || "";
let paused = false;
let timer = 0;

async function call(method, noun, content) {
  const reply = await fetch(`/_sandbox/${noun}`, {
    method,
    headers: { Authorization: `Bearer ${token}` },
    body: content === undefined ? undefined : JSON.stringify(content),
  });
  const body = await reply.json();
  if (reply.status === 401) throw new Refused("The token is wrong");
  if (!reply.ok) throw new Error(body.detail);
  return body;
}
class Refused extends Error {}

function make(tag, text, className) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
}
function fill(id, elements, nothing) {
  const list = find(id);
  if (!elements.length && nothing) {
    const tag = { UL: "li", DL: "dd", TBODY: "tr" }[list.tagName];
    elements = [make(tag, nothing, "empty")];
  }
  list.replaceChildren(...elements);
}
const count = (number) => number.toLocaleString("en");
const counted = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

function show(live) {
  find("now").textContent = live.now.slice(0, 19).replace("T", " ") + " UTC";
  find("now").dateTime = live.now;
  fill("totals", Object.entries(live.totals).map(([name, number]) => {
    const item = make("li", number === 1 ? name.slice(0, -1) : name);
    item.prepend(make("b", count(number)));
    item.id = `total-${name}`;
    return item;
  }));
  showRate(live);
  showRequests(live.requests);
  fill("jobs", live.jobs.map(jobCard), "No jobs yet");
  fill("faults", live.faults.map(faultCard), "No faults: everything is answered as it should be");
  fill("profiles", live.profiles.flatMap((one) =>
    [make("dt", one.user_id), make("dd", JSON.stringify(one.attributes))]), "No profiles yet");
  fill("events", live.events.flatMap((one) =>
    [make("dt", `${one.name} · ${one.user_id}`), make("dd", `${one.timestamp} ${JSON.stringify(one.attributes)}`)]),
    "No events yet");
  fill("segments", live.segments.flatMap((one) => {
    const more = one.users > one.user_ids.length ? ", …" : "";
    return [make("dt", `${one.name} (${counted(one.users, "user")})`), make("dd", one.user_ids.join(", ") + more)];
  }), "No segments yet");
}

function showRate(live) {
  const seconds = live.per_second;
  const limit = live.rate_limit;
  const peak = Math.max(0, ...seconds.map((one) => one.requests));
  find("limit").textContent = `last minute: ${count(peak)} at most, ${limit === null ? "no limit" : `limit ${limit}`}`;
  const most = Math.max(5, (limit || 0) * 1.15, peak);
  const chart = find("chart");
  const drawn = [];
  const draw = (tag, attributes) => {
    const shape = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) shape.setAttribute(name, value);
    drawn.push(shape);
  };
  draw("rect", { class: "base", x: 0, y: 109, width: 600, height: 1 });
  seconds.forEach((one, place) => {
    let bottom = 109;
    const parts = [["failed", one.failed], ["refused", one.refused], ["ok", one.requests - one.failed - one.refused]];
    for (const [name, number] of parts) {
      if (number <= 0) continue;
      const height = (number / most) * 105;
      bottom -= height;
      draw("rect", { class: name, x: place * 10 + 1, y: bottom, width: 8, height });
    }
  });
  if (limit !== null) {
    const y = 109 - (limit / most) * 105;
    draw("line", { class: "limit", x1: 0, x2: 600, y1: y, y2: y });
  }
  const last = seconds.reduce((sum, one) => sum + one.requests, 0);
  const refused = seconds.reduce((sum, one) => sum + one.refused, 0);
  const title = find("chart-title");
  title.textContent = `${counted(last, "request")} in the last minute, ${count(refused)} refused with 429`;
  chart.replaceChildren(title, ...drawn);
}

function showRequests(requests) {
  const failures = new Map();
  const tries = new Map();
  for (const one of [...requests].reverse()) {
    const key = [one.method, one.path, one.query, one.excerpt].join("\n");
    const attempt = (failures.get(key) || 0) + 1;
    tries.set(one.number, attempt);
    failures.set(key, one.status === null || one.status === 429 || one.status >= 500 ? attempt : 0);
  }
  fill("request-rows", requests.map((one) => {
    const row = make("tr");
    const path = one.path.replace(/^\/v2\/accounts\/[^/]+/, "") || one.path;
    const query = one.query ? `?${one.query}` : "";
    const body = make("td");
    body.append(make("span", one.excerpt, "clamp"));
    const attempt = tries.get(one.number);
    row.append(make("td", one.number), make("td", `${one.method} ${path}${query}`), statusCell(one),
      make("td", attempt > 1 ? `retry ${attempt - 1}` : ""), make("td", count(one.body_bytes)), body);
    return row;
  }), "No requests yet");
}
function statusCell(one) {
  if (one.status === null) {
    const text = one.aborted ? "client left" : one.applied ? "cut, applied" : "no answer";
    return make("td", text, "s-failed");
  }
  const name = one.status === 429 ? "s-refused" : one.status >= 400 ? "s-failed" : "s-ok";
  return make("td", one.status + (one.status >= 300 && one.applied ? ", applied" : ""), name);
}
function jobCard(job) {
  const card = make("li");
  const top = make("div", undefined, "top");
  const name = { COMPLETED: "s-ok", FAILED: "s-failed" }[job.status] || "";
  top.append(make("b", job.name), make("span", job.status, name));
  const bar = make("progress", undefined, job.status === "FAILED" ? "failed" : "");
  bar.setAttribute("aria-label", `Progress of ${job.name}`);
  if (job.progress !== null) bar.value = job.progress;
  const left = job.seconds_left === null ? "" : `, ${job.seconds_left.toFixed(1)} s left`;
  const rows = job.status === "IN_PROGRESS" ? `${counted(job.rows, "row")}${left}`
    : `${counted(job.ingested, "row")} ingested, ${count(job.failed)} failed`;
  card.append(top, bar, make("div", `${rows} · ${job.id}`, "mono faint"));
  return card;
}
function faultCard(fault) {
  const { kind, number, method, path, times, hits, skip, probability, ...more } = fault;
  if (more.after === "body") delete more.after;
  const said = Object.entries(more).filter(([, value]) => value !== null && value !== false
    && !(typeof value === "object" && !Object.keys(value).length)).map(([name, value]) => `${name} ${JSON.stringify(value)}`);
  const over = times !== null && hits >= times;
  const card = make("li", undefined, over ? "over" : "");
  const top = make("div", undefined, "top");
  const happened = `${count(hits)} of ${times === null ? "all" : count(times)}`;
  top.append(make("b", kind), make("span", over ? `${happened}, over` : happened));
  const where = `${method || "any method"} ${path || "any path"}${skip ? `, after ${skip}` : ""}${probability < 1 ? `, chance ${probability}` : ""}`;
  card.append(top, make("div", [where, ...said].join(" · "), "mono faint"));
  return card;
}

function lock(locked) {
  find("login").hidden = !locked;
  find("main").hidden = find("clock").hidden = locked;
}
async function look() {
  clearTimeout(timer);
  if (!token) {
    lock(true);
    state("Locked");
    return;
  }
  try {
    show(await call("GET", "live"));
    lock(false);
    state(paused ? "Paused" : "Live");
  } catch (error) {
    if (error instanceof Refused) {
      lock(true);
      state(error.message, true);
      return;
    }
    state("The sandbox does not answer", true);
  }
  if (!paused) timer = setTimeout(look, EVERY);
}
function state(text, lost = false) {
  const place = find("connection");
  if (place.textContent !== text) place.textContent = text;
  place.classList.toggle("lost", lost);
}
async function act(method, noun, content) {
  const place = find("fault-error");
  try {
    await call(method, noun, content);
    place.textContent = "";
  } catch (error) {
    place.textContent = error.message;
  }
  await look();
}

for (const name of FAULTS.keys()) find("kind").append(make("option", name));
for (const button of document.querySelectorAll("[data-advance]")) {
  button.addEventListener("click", () => act("POST", "clock", { advance: Number(button.dataset.advance) }));
}
find("reset").addEventListener("click", () => {
  if (confirm("Forget all data, requests and faults?")) act("POST", "reset");
});
find("pause").addEventListener("click", (event) => {
  paused = !paused;
  event.target.setAttribute("aria-pressed", paused);
  look();
});
find("clear-faults").addEventListener("click", () => act("DELETE", "faults"));
find("fault-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const times = find("times").value;
  const content = { ...FAULTS.get(find("kind").value), times: times ? Number(times) : null };
  if (find("path").value) content.path = find("path").value;
  act("POST", "faults", content);
});
find("login").addEventListener("submit", (event) => {
  event.preventDefault();
  token = find("token").value.trim();
  location.hash = new URLSearchParams({ token }).toString();
  look();
});
addEventListener("hashchange", () => {
  token = new URLSearchParams(location.hash.slice(1)).get("token") || "";
  look();
});
look();
