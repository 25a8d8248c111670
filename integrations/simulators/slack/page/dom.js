// Building elements, and changing a drawn one into a newly drawn one without losing focus, hover or a half-done click.

export function h(name, props = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "data") Object.assign(node.dataset, clean(value));
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key in node && typeof value === "boolean") node[key] = value;
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

function clean(values) {
  return Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== false),
  );
}

export const hidden = (text) => h("span", { class: "sr" }, text);

const SVG = "http://www.w3.org/2000/svg";
const ICONS = {
  cloud: "M7 18a4 4 0 0 1-.6-7.95 6 6 0 0 1 11.5 1.02A3.5 3.5 0 0 1 17.5 18Z",
  reply: "M9 7 4 12l5 5M4 12h9a7 7 0 0 1 7 7",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  close: "M6 6l12 12M18 6 6 18",
  back: "M15 5l-7 7 7 7",
  send: "M4 12 20 4l-5 16-3.5-6.5Z",
  bolt: "M13 3 5 14h6l-1 7 8-11h-6Z",
  wire: "M4 7h11M12 4l3 3-3 3M20 17H9M12 14l-3 3 3 3",
  home: "M4 11 12 4l8 7v8a1 1 0 0 1-1 1h-4v-6H9v6H5a1 1 0 0 1-1-1Z",
  help: "M9.5 9a2.5 2.5 0 1 1 3.6 2.3c-.8.4-1.1 1-1.1 1.7M12 17h.01",
  file: "M7 3h7l4 4v14H7ZM14 3v4h4",
  down: "M6 10l6 6 6-6",
  clock: "M12 7v5l3 2M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18Z",
};

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", `icon icon-${name}`);
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

// What a person has opened or typed is theirs; the rest follows the newly drawn node.
const OWN = { DETAILS: ["open"] };

export function morph(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) {
    old.replaceWith(fresh);
    return fresh;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return old;
  }
  // A field lives on as long as it is the same field.
  if (old.dataset.live !== undefined || fresh.dataset.live !== undefined) {
    if (old.dataset.live === fresh.dataset.live) return old;
    const hadFocus = old.contains(document.activeElement);
    old.replaceWith(fresh);
    if (hadFocus) fresh.querySelector("input, select, textarea, button")?.focus();
    return fresh;
  }
  attributes(old, fresh);
  children(old, [...fresh.childNodes]);
  return old;
}

function attributes(old, fresh) {
  const own = OWN[old.nodeName] ?? [];
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !own.includes(name)) old.removeAttribute(name);
  }
  for (const { name, value } of [...fresh.attributes]) {
    if (old.getAttribute(name) !== value && !own.includes(name)) old.setAttribute(name, value);
  }
}

/** Morph, and leave the focus where it was: at its control, or in the part named by `rest` when that has gone. */
export function redraw(old, fresh, rest) {
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  const drawn = morph(old, fresh);
  if (focused && !drawn.contains(document.activeElement)) {
    const node = drawn.matches(rest) ? drawn : drawn.querySelector(rest);
    node?.focus({ preventScroll: true });
  }
  return drawn;
}

const whichOf = (node) => node.dataset?.which;

function children(old, wanted) {
  const named = new Set(wanted.map(whichOf));
  let at = old.firstChild;
  for (const fresh of wanted) {
    // One control never turns into another: a half-done click would do what nobody meant.
    while (at !== null && !named.has(whichOf(at))) {
      const next = at.nextSibling;
      at.remove();
      at = next;
    }
    if (at === null || whichOf(at) !== whichOf(fresh)) old.insertBefore(fresh, at);
    else {
      const next = at.nextSibling;
      morph(at, fresh);
      at = next;
    }
  }
  while (at !== null) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

export function clock(ts) {
  return new Date(Number(ts) * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
}

export function day(ts) {
  return new Date(Number(ts) * 1000).toLocaleDateString([], { weekday: "long", day: "numeric", month: "long" });
}
