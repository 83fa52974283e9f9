// The way of one request: draws `story` (labs/visuals/traffic.py) and lets a dot travel it, hop by hop.
// Plain ES module for anywidget behind elements.js; no network, no build step, text only ever set as text.

const SIGNS = { allow: "✓", deny: "✕", muted: "·" };
const LONGEST = 900; // ms that the slowest hop takes on the screen

const time = (ms) => (ms === null ? "" : `${ms.toFixed(1)} ms`);

function said(hop, number) {
  return [`Hop ${number}, ${hop.place}: ${hop.name} ${hop.thing}, ${hop.state}.`, time(hop.ms), hop.why].filter(Boolean).join(" ");
}

function station(hop, number, state, longest, choose) {
  const bar = hop.ms === null ? null
    : h("span", { class: "tp-bar", "aria-hidden": "true", style: `width:${Math.max(2, (100 * hop.ms) / longest)}%` });
  return h("li", { class: "tp-stop", "data-tone": state.travelled ? hop.tone : "muted", "data-travelled": String(state.travelled) },
    h("button", { type: "button", "aria-pressed": state.chosen ? "true" : "false", "aria-label": said(hop, number), onclick: choose },
      h("span", { class: "tp-sign", "aria-hidden": "true" }, state.travelled ? SIGNS[hop.tone] : "·"),
      h("span", { class: "tp-place" }, hop.place),
      h("span", { class: "tp-name" }, hop.name),
      h("span", { class: "tp-thing" }, hop.thing),
      h("span", { class: "tp-time" }, time(hop.ms), h("span", { class: "tp-track" }, bar)),
      hop.why && state.travelled ? h("span", { class: "tp-why" }, `${hop.state}: ${hop.why}`) : null));
}

function detail(hop, number) {
  if (!hop) return [h("p", {}, "Choose a hop to see what was observed there, and the object behind it.")];
  return [
    h("h4", {}, `${number}  ${hop.name}`), h("p", { class: "tp-thing" }, hop.thing),
    hop.why ? h("p", { class: "tp-why" }, `${hop.state}: ${hop.why}`) : null,
    h("ul", {}, hop.facts.map((fact) => h("li", {}, fact))),
    hop.source ? h("p", { class: "tp-soft" }, `from ${hop.source}`) : null,
    hop.shown ? h("pre", { tabindex: "0", "aria-label": `${hop.name} as YAML` }, hop.shown) : null,
  ].filter(Boolean);
}

function render({ model, el }) {
  let chosen = null, timer = null;
  const summary = h("p", { class: "tp-summary", role: "status", "aria-live": "polite" });
  const ids = h("p", { class: "tp-soft" });
  const play = h("button", { type: "button", class: "tp-play", onclick: () => start() }, "▶ play it again");
  const list = h("ol", { class: "tp-way" });
  const side = h("div", { class: "tp-detail" });
  const root = h("div", { class: "tp", role: "group", "aria-label": "Way of a request" },
    h("div", { class: "tp-head" }, h("div", {}, summary, ids), play), h("div", { class: "tp-body" }, list, side));

  const story = () => model.get("story");

  function draw() {
    const { hops, answer, request, summary: whole } = story();
    const step = model.get("step") < 0 ? hops.length : model.get("step");
    const longest = Math.max(1, ...hops.map((hop) => hop.ms ?? 0));
    const focused = [...list.querySelectorAll("button")].indexOf(document.activeElement);
    list.replaceChildren(...hops.map((hop, n) => station(hop, n + 1,
      { travelled: n < step && hop.tone !== "muted", chosen: chosen === n }, longest,
      () => { chosen = chosen === n ? null : n; draw(); })));
    side.replaceChildren(...detail(hops[chosen], chosen + 1));
    if (focused >= 0) list.querySelectorAll("button")[focused]?.focus();
    const done = step >= hops.length;
    const words = done ? whole : `${request}: on its way`;
    if (summary.textContent !== words) summary.textContent = words;
    summary.dataset.tone = done ? (hops.some((hop) => hop.tone === "deny") ? "deny" : "allow") : "muted";
    ids.textContent = `request id ${story().request_id}, trace id ${story().trace_id}`;
    play.disabled = !done;
    return answer;
  }

  function start() {
    clearTimeout(timer);
    const { hops } = story();
    if (still()) { model.set("step", hops.length); return; }
    const longest = Math.max(1, ...hops.map((hop) => hop.ms ?? 0));
    let n = 0;
    const next = () => {
      model.set("step", n);
      if (n >= hops.length || hops[n - 1]?.tone === "deny") { model.set("step", hops.length); return; }
      timer = setTimeout(next, 160 + (LONGEST * (hops[n].ms ?? 0)) / longest);
      n += 1;
    };
    next();
  }

  draw();
  el.append(root);
  model.on("change:story", start);
  model.on("change:step", draw);
  if (model.get("step") < 0) start();
  return () => { clearTimeout(timer); model.off("change:story", start); model.off("change:step", draw); };
}

export default { render };
