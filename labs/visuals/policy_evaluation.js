// Policy evaluation: draws `story` (labs/visuals/story.py) and walks through it by `step`.
// Plain ES module for anywidget behind elements.js; no network, no build step, text only ever set as text.

const SVG = "http://www.w3.org/2000/svg";

/** Shapes in a box of 28 × 28 around the origin; the same as in svg.py. */
const SHAPES = {
  check: [["circle", { r: 13 }], ["path", { d: "M-6 .5l4.2 4.2L6.2-4.6", fill: "none" }]],
  star: [["circle", { r: 13 }], ["path", { d: "M0-8l2.3 5.2 5.7.6-4.3 3.8 1.3 5.6L0 4.3l-5 2.9 1.3-5.6L-8-2.2l5.7-.6z" }]],
  octagon: [
    ["path", { d: "M-5.4-13H5.4L13-5.4V5.4L5.4 13H-5.4L-13 5.4V-5.4z" }],
    ["path", { d: "M-4.6-4.6l9.2 9.2M4.6-4.6l-9.2 9.2" }],
  ],
  diamond: [["path", { d: "M0-14.5L14.5 0 0 14.5-14.5 0z" }], ["path", { d: "M-4-4l8 8M4-4l-8 8" }]],
  ring: [["circle", { r: 13 }], ["path", { d: "M-3-5l5.5 5L-3 5", fill: "none" }]],
  dash: [["circle", { r: 13, "stroke-dasharray": "3.4 3.4" }], ["path", { d: "M-5 0H5" }]],
  dots: [["circle", { r: 13, "stroke-dasharray": ".1 4.5" }]],
  waiting: [["circle", { r: 13 }]],
  person: [["circle", { r: 13 }], ["circle", { r: 3.4, cy: -3.4 }], ["path", { d: "M-6 7c0-7 12-7 12 0", fill: "none" }]],
  target: [["rect", { x: -12, y: -12, width: 24, height: 24, rx: 4 }], ["path", { d: "M-6-4H6M-6 0H6M-6 4H1" }]],
};
const ICONS = {
  back: "M6 3v10M13 3.5 8 8l5 4.5z",
  forward: "M10 3v10M3 3.5 8 8l-5 4.5z",
  play: "M4.5 2.8v10.4L13 8z",
  pause: "M5 3v10M11 3v10",
  restart: "M3.2 8a4.9 4.9 0 1 0 1.6-3.6M4.6 1.8v3h3",
};
const MARKS = { decides: "decides", matches: "matches", fails: "does not match" };

function s(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const shape = (name, size = 32) =>
  s("svg", { class: "pe-shape", viewBox: "-16 -16 32 32", width: size, height: size, "aria-hidden": "true", "data-shape": name },
    ...(SHAPES[name] || SHAPES.waiting).map(([tag, attributes]) => s(tag, attributes)));

const icon = (name) =>
  s("svg", { class: `pe-icon pe-icon-${name}`, viewBox: "0 0 16 16", width: 14, height: 14, "aria-hidden": "true" },
    s("path", { d: ICONS[name] }));

const hidden = (text) => h("span", { class: "pe-sr" }, text);

/** Policy type and verdict as a small label: shape, word and tone together. */
const verdict = (item, size = 20) =>
  h("span", { class: "pe-verdict", "data-tone": item.tone }, shape(item.shape, size), h("span", {}, item.word));

// ---------------------------------------------------------------- the walk

const lastStep = (story) => story.gates.length + 1;

/** The steps a walk makes: the request, the gates it reaches, the answer. */
function walk(story) {
  const reached = story.gates.map((gate, n) => [gate.reached, n + 1]).filter(([yes]) => yes).map(([, n]) => n);
  return [0, ...reached, lastStep(story)];
}

function neighbour(story, step, by) {
  const steps = walk(story);
  if (by > 0) return steps.find((n) => n > step) ?? lastStep(story);
  return steps.filter((n) => n < step).pop() ?? 0;
}

function announcement(story, step) {
  const { request, gates, outcome } = story;
  if (step <= 0) return `Request: ${request.short} asks for ${request.action} on ${request.resource}.`;
  if (step <= gates.length) return gates[step - 1].announcement;
  return `Answer: ${outcome.announcement} ${outcome.message}`;
}

// ---------------------------------------------------------------- parts

function facts(request) {
  const account = request.account ? `, account ${request.account}` : "";
  const rows = [
    ["Who", request.who, `${request.kind}${account}`],
    ["Action", request.action, ""],
    ["Resource", request.resource, request.resource_account && request.resource_account !== request.account
      ? `account ${request.resource_account}` : ""],
  ];
  return h("dl", { class: "pe-facts" }, rows.map(([name, value, more]) => [
    h("dt", {}, name), h("dd", {}, h("code", {}, value), more ? h("span", { class: "pe-soft" }, more) : null)]));
}

function nodes(story) {
  const { request, gates, outcome } = story;
  const allowed = outcome.tone === "allow";
  return [
    { name: "Request", word: request.short, shape: "person", tone: "neutral", reached: true },
    ...gates,
    { name: "Resource", word: allowed ? "Reached" : "Refused", shape: "target", tone: outcome.tone, reached: allowed },
  ];
}

function statementCard(statement) {
  const state = statement.decides ? "decides" : statement.matched ? "matches" : "fails";
  return h("li", { class: "pe-statement", "data-state": state },
    h("div", { class: "pe-statement-head" },
      h("span", { class: "pe-effect", "data-effect": statement.effect }, statement.effect),
      h("strong", {}, statement.label),
      h("span", { class: "pe-state" }, MARKS[state])),
    statement.policy ? h("div", { class: "pe-soft pe-policy" }, statement.policy) : null,
    statement.why ? h("p", { class: "pe-why" }, statement.why) : null,
    statement.parts.length ? h("ul", { class: "pe-parts", "aria-label": "Parts compared" }, statement.parts.map(([part, good]) =>
      h("li", { "data-good": String(good) }, h("span", { "aria-hidden": "true" }, good ? "✓ " : "✗ "), part,
        hidden(good ? " matches" : " does not match")))) : null);
}

function codeLine(line, n) {
  return h("div", { class: "pe-line", "data-mark": line.mark || null },
    h("span", { class: "pe-number", "aria-hidden": "true" }, String(n + 1)),
    h(line.mark ? "mark" : "span", { class: "pe-code" }, line.text || " "),
    line.starts ? h("span", { class: "pe-tag" }, MARKS[line.mark]) : null);
}

function documentFigure(doc, gate, open) {
  const lines = doc.lines.map((line, n) => codeLine(line, n));
  const marked = doc.lines.some((line) => line.mark);
  const label = `Policy document ${doc.name}`;
  const code = h("div", { class: "pe-document", role: "region", tabindex: "0", "aria-label": label, "data-tone": gate.tone }, lines);
  const name = [h("span", { class: "pe-document-name" }, doc.name),
    doc.arn && doc.arn !== doc.name ? h("span", { class: "pe-soft pe-arn" }, doc.arn) : null];
  if (marked || open) return h("figure", { class: "pe-figure" }, h("figcaption", {}, name), code);
  return h("details", { class: "pe-figure" }, h("summary", {}, name), code);
}

// ---------------------------------------------------------------- the stage: what the current step shows

function requestStage(story) {
  const { request, gates } = story;
  const context = request.context.length
    ? h("table", { class: "pe-context" }, h("caption", {}, "Request context"),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Condition key"), h("th", { scope: "col" }, "Value"))),
      h("tbody", {}, request.context.map(([key, value]) =>
        h("tr", {}, h("th", { scope: "row" }, h("code", {}, key)), h("td", {}, h("code", {}, value))))))
    : h("p", { class: "pe-soft" }, "The request carries no condition keys.");
  return [
    h("div", { class: "pe-title" }, h("h3", {}, "The request")),
    h("p", { class: "pe-sentence" }, `May ${request.short} do `, h("code", {}, request.action), "? ",
      `${gates.length} gates will be asked, in this order. Predict the answer, then step forward.`),
    context,
  ];
}

function gateStage(story, n) {
  const gate = story.gates[n];
  const grid = h("div", { class: "pe-grid" });
  if (gate.statements.length) {
    grid.append(h("div", { class: "pe-column" }, h("h4", {}, `Statements read (${gate.statements.length})`),
      h("ul", { class: "pe-statements" }, gate.statements.map(statementCard))));
  }
  if (gate.documents.length) {
    grid.append(h("div", { class: "pe-column" }, h("h4", {}, gate.documents.length > 1 ? "Policy documents" : "Policy document"),
      gate.documents.map((doc) => documentFigure(doc, gate, gate.documents.length === 1))));
  }
  const note = gate.note && !gate.sentence.toLowerCase().startsWith(gate.note.toLowerCase().replace(/\.+$/, "")) ? gate.note : "";
  return [
    h("div", { class: "pe-title" }, h("h3", {}, h("span", { class: "pe-ordinal" }, `${n + 1}`), gate.name), verdict(gate)),
    gate.question ? h("p", { class: "pe-question" }, gate.question) : null,
    h("p", { class: "pe-sentence" }, gate.sentence),
    note ? h("p", { class: "pe-soft" }, note) : null,
    grid.childElementCount ? grid : null,
  ];
}

function outcomeStage(story) {
  const { outcome, gates, stop } = story;
  const deciding = stop !== null ? gates[stop]
    : gates.find((gate) => gate.type === "identity-based policy" && gate.documents.some((doc) => doc.decides));
  const decided = deciding ? deciding.documents.filter((doc) => doc.decides) : [];
  const docs = decided.length || !deciding ? decided : deciding.documents.filter((doc) => doc.lines.some((line) => line.mark));
  const heading = deciding && `${decided.length ? "What decided" : "Where nothing allowed it"}: ${deciding.name}`;
  return [
    h("div", { class: "pe-outcome", "data-tone": outcome.tone },
      shape(outcome.shape, 44),
      h("div", {}, h("h3", {}, outcome.word), h("p", {}, outcome.reason))),
    outcome.message ? h("p", { class: "pe-message" }, h("code", {}, outcome.message)) : null,
    docs.length ? h("div", { class: "pe-column" }, h("h4", {}, heading),
      docs.map((doc) => documentFigure(doc, deciding, true))) : null,
  ];
}

// ---------------------------------------------------------------- the widget

function render({ model, el }) {
  const id = `pe-${Math.random().toString(36).slice(2, 9)}`;
  let story = model.get("story");
  let timer = null;

  const track = h("ol", { class: "pe-nodes" });
  const token = h("div", { class: "pe-token", "aria-hidden": "true" }, h("span", { class: "pe-token-text" }));
  const stage = h("section", { class: "pe-stage", id: `${id}-stage`, "aria-label": "Current step" });
  const live = h("div", { class: "pe-sr", "aria-live": "polite", "aria-atomic": "true" });
  const head = h("header", { class: "pe-head" });
  const counter = h("span", { class: "pe-counter" });
  const button = (name, label, keys, action) =>
    h("button", { type: "button", class: "pe-button", "data-action": name, "aria-keyshortcuts": keys, onclick: action },
      icon(name), h("span", {}, label));
  const back = button("back", "Back", "ArrowLeft", () => { pause(); go(neighbour(story, step(), -1)); });
  const play = button("play", "Play", null, () => (timer ? pause() : start()));
  const forward = button("forward", "Forward", "ArrowRight", () => { pause(); go(neighbour(story, step(), 1)); });
  const restart = button("restart", "Start over", "Home", () => { pause(); go(0); });
  const root = h("div", {
    class: "pe", role: "group", tabindex: "0", "aria-label": "Policy evaluation. Left and right arrow keys step through the gates.",
    "data-lm-suppress-shortcuts": "true", onkeydown: press,
  },
  head,
  h("nav", { class: "pe-track", "aria-label": "Gates" }, track, token),
  h("div", { class: "pe-bar", role: "toolbar", "aria-label": "Steps" }, back, play, forward, restart, counter),
  stage, live);

  const step = () => Math.max(0, Math.min(model.get("step"), lastStep(story)));

  function go(n, quietly) {
    const holds = track.contains(document.activeElement);
    if (n !== model.get("step")) {
      model.set("step", n);
      model.save_changes();
    }
    draw();
    if (holds) track.querySelector('[aria-current="step"]')?.focus();
    if (!quietly) live.textContent = announcement(story, n);
  }

  function start() {
    if (step() >= lastStep(story)) go(0);
    timer = setInterval(advance, Math.max(0.3, model.get("pace") || 1.8) * 1000);
    go(neighbour(story, step(), 1));
    label();
  }

  function advance() {
    go(neighbour(story, step(), 1));
    if (step() >= lastStep(story)) pause();
  }

  function pause() {
    clearInterval(timer);
    timer = null;
    label();
  }

  function label() {
    play.replaceChildren(icon(timer ? "pause" : "play"), h("span", {}, timer ? "Pause" : "Play"));
  }

  function press(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const onRoot = event.target === root;
    const moves = {
      ArrowRight: () => neighbour(story, step(), 1),
      ArrowLeft: () => neighbour(story, step(), -1),
      Home: () => 0,
      End: () => lastStep(story),
    };
    if (event.key in moves) {
      pause();
      go(moves[event.key]());
    } else if (event.key === " " && onRoot) {
      play.click();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Everything that depends on the story alone. */
  function build() {
    head.replaceChildren(facts(story.request));
    track.replaceChildren(...nodes(story).map((node, n) =>
      h("li", { class: "pe-node" }, h("button", {
        type: "button", class: "pe-gate", "aria-controls": `${id}-stage`, onclick: () => { pause(); go(n); },
      }))));
  }

  /** Everything that depends on the step. */
  function draw() {
    const now = step();
    const end = now >= lastStep(story);
    const all = nodes(story);
    [...track.children].forEach((item, n) => {
      const node = all[n];
      const known = n === 0 || end || n <= now;
      const last = n === all.length - 1;
      const shown = known && (!last || end) ? node : { word: "", shape: last ? "target" : "waiting", tone: "muted" };
      const walked = n <= now && node.reached;
      item.dataset.tone = shown.tone;
      item.dataset.walked = String(Boolean(walked || (end && node.reached)));
      const button = item.firstElementChild;
      button.replaceChildren(shape(shown.shape), h("span", { class: "pe-name" }, node.name),
        h("span", { class: "pe-word" }, shown.word || " "));
      const number = n > 0 && n < all.length - 1 ? `Gate ${n}, ` : "";
      button.setAttribute("aria-label", `${number}${node.name}: ${shown.word || "not asked yet"}`);
      button.setAttribute("tabindex", n === now ? "0" : "-1");
      if (n === now) button.setAttribute("aria-current", "step");
      else button.removeAttribute("aria-current");
    });
    stage.replaceChildren(...stageFor(now).filter(Boolean));
    stage.dataset.tone = end ? story.outcome.tone : now === 0 ? "neutral" : story.gates[now - 1].tone;
    for (const doc of stage.querySelectorAll(".pe-document")) {
      const mark = doc.querySelector('[data-mark="decides"]') || doc.querySelector("[data-mark]");
      if (mark) doc.scrollTop = Math.max(0, mark.offsetTop - doc.offsetTop - 40);
    }
    const steps = walk(story);
    counter.textContent = steps.includes(now) ? `Step ${steps.indexOf(now) + 1} of ${steps.length}` : "Beyond the decision";
    back.setAttribute("aria-disabled", String(now === 0));
    restart.setAttribute("aria-disabled", String(now === 0));
    forward.setAttribute("aria-disabled", String(end));
    place();
  }

  function stageFor(now) {
    if (now === 0) return requestStage(story);
    return now >= lastStep(story) ? outcomeStage(story) : gateStage(story, now - 1);
  }

  /** Put the request's token over the node it stands at: a refused one never goes past the gate that stopped it. */
  function place() {
    const now = step();
    const refused = story.outcome.tone === "deny" && story.stop !== null && now > story.stop;
    const passed = story.stop !== null && !refused && now > story.stop + 1 && now < lastStep(story);
    const at = refused || passed ? story.stop + 1 : now;
    const button = track.children[at].firstElementChild;
    const box = track.parentElement.getBoundingClientRect();
    const dot = button.querySelector(".pe-shape").getBoundingClientRect();
    const x = dot.left - box.left + dot.width / 2;
    token.firstElementChild.textContent = refused ? "stopped here" : now >= lastStep(story) ? "gets through" : story.request.action;
    token.dataset.tone = refused ? "deny" : now >= lastStep(story) ? "allow" : "neutral";
    const half = token.offsetWidth / 2;
    const slip = Math.max(half - x, Math.min(0, box.width - half - x));
    token.style.setProperty("--x", `${x}px`);
    token.style.setProperty("--y", `${dot.top - box.top + dot.height / 2}px`);
    token.style.setProperty("--slip", `${slip}px`);
  }

  function changed() {
    story = model.get("story");
    pause();
    build();
    draw();
    live.textContent = announcement(story, lastStep(story));
  }
  function stepped() {
    draw();
  }

  build();
  el.append(root);
  draw();
  const watch = new ResizeObserver(place);
  watch.observe(root);
  model.on("change:story", changed);
  model.on("change:step", stepped);
  return () => {
    pause();
    watch.disconnect();
    model.off("change:story", changed);
    model.off("change:step", stepped);
  };
}

export default { render };
