// A cluster: draws `state` (labs/visuals/cluster_state.py) and moves what changed.
// Plain ES module for anywidget behind elements.js; no network, no build step, text only ever set as text.

const SIGNS = { allow: "✓", deny: "✕", neutral: "…", muted: "–" };

const keyOf = (pod) => `${pod.namespace}/${pod.name}`;

function podDetail(pod, where) {
  const restarts = pod.restarts === 1 ? "1 restart" : `${pod.restarts} restarts`;
  return `${keyOf(pod)} ${where}: ${pod.word}, ${pod.ready} ready, ${restarts}, ${pod.age} old.` + (pod.why ? ` ${pod.why}` : "");
}

function podButton(pod, where, chosen, choose) {
  return h("button", {
      type: "button", class: "cv-pod", "data-tone": pod.tone, "data-key": keyOf(pod),
      "aria-pressed": chosen === keyOf(pod) ? "true" : "false", "aria-label": podDetail(pod, where),
      onclick: () => choose(chosen === keyOf(pod) ? null : keyOf(pod)),
    },
    h("span", { class: "cv-sign", "aria-hidden": "true" }, SIGNS[pod.tone]),
    h("span", { class: "cv-name" }, pod.name),
    h("span", { class: "cv-word" }, pod.word, " ", pod.ready, pod.restarts ? ` ↻${pod.restarts}` : ""));
}

function card(title, word, tone, facts, pods, where, chosen, choose) {
  return h("section", { class: "cv-node", "data-tone": tone, "aria-label": `${title}, ${word}` },
    h("header", {}, h("span", { class: "cv-sign", "aria-hidden": "true" }, SIGNS[tone]),
      h("strong", {}, title), h("span", { class: "cv-word" }, word)),
    h("ul", { class: "cv-facts" }, facts.map((fact) => h("li", {}, fact))),
    h("div", { class: "cv-pods" }, pods.map((pod) => podButton(pod, where, chosen, choose))));
}

function draw(state, chosen, choose) {
  const all = new Map();
  for (const node of state.nodes) for (const pod of node.pods) all.set(keyOf(pod), [pod, `on ${node.name}`]);
  for (const pod of state.waiting) all.set(keyOf(pod), [pod, "without a node"]);
  const detail = all.get(chosen);
  return [
    h("div", { class: "cv-nodes" },
      state.nodes.map((node) => card(node.name, node.word + (node.zone ? `, zone ${node.zone}` : ""), node.tone,
        node.facts, node.pods, `on ${node.name}`, chosen, choose)),
      state.waiting.length ? card("Without a node", "not placed", "neutral", [], state.waiting, "without a node", chosen, choose) : null),
    h("p", { class: "cv-detail" }, detail ? podDetail(...detail) : "Choose a pod to read what it says."),
    state.events.length ? h("table", { class: "cv-events" },
      h("caption", {}, "Latest events"),
      h("thead", {}, h("tr", {}, ["Age", "Reason", "Object", "Message"].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, state.events.map((event) => h("tr", { "data-tone": event.type === "Warning" ? "deny" : "muted" },
        h("td", {}, event.age), h("td", { class: "cv-word" }, event.reason), h("td", {}, event.object),
        h("td", {}, event.message + (event.count > 1 ? ` (×${event.count})` : "")))))) : null,
  ];
}

/** Where each pod's button stands now, by pod. */
function places(root) {
  return new Map([...root.querySelectorAll(".cv-pod")].map((pod) => [pod.dataset.key, pod.getBoundingClientRect()]));
}

/** Pods that moved slide to their new place, new ones fade in; nothing moves for who asked for less motion. */
function animate(root, before) {
  if (still()) return;
  for (const pod of root.querySelectorAll(".cv-pod")) {
    const old = before.get(pod.dataset.key), now = pod.getBoundingClientRect();
    if (!old) pod.animate([{ opacity: 0 }, { opacity: 1 }], { duration: 400 });
    else if (Math.abs(old.x - now.x) + Math.abs(old.y - now.y) > 2) {
      pod.animate([{ transform: `translate(${old.x - now.x}px, ${old.y - now.y}px)` }, { transform: "none" }],
        { duration: 450, easing: "ease-out" });
    }
  }
}

function render({ model, el }) {
  let chosen = null, said = "";
  const summary = h("p", { class: "cv-summary", role: "status", "aria-live": "polite" });
  const body = h("div", {});
  const trouble = h("p", { class: "cv-trouble", role: "alert" });
  const live = h("span", { class: "cv-live" });
  const root = h("div", { class: "cv", role: "group", "aria-label": "Cluster" }, h("div", { class: "cv-head" }, summary, live), trouble, body);

  function update() {
    const state = model.get("state");
    const before = places(root), focused = document.activeElement?.dataset?.key;
    if (state.summary !== said) summary.textContent = said = state.summary; // said once to a screen reader
    live.textContent = model.get("live") ? "● live" : "○ as last seen";
    trouble.textContent = model.get("trouble");
    trouble.hidden = !model.get("trouble");
    body.replaceChildren(...draw(state, chosen, (key) => { chosen = key; update(); }).filter(Boolean));
    if (focused && root.isConnected) body.querySelector(`.cv-pod[data-key="${CSS.escape(focused)}"]`)?.focus();
    animate(root, before);
  }

  update();
  el.append(root);
  const names = ["change:state", "change:live", "change:trouble"];
  names.forEach((name) => model.on(name, update));
  return () => names.forEach((name) => model.off(name, update));
}

export default { render };
