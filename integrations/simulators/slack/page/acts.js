// What a person does with drawn elements: one listener for all of them, told to the server by their ids.

import { valueOf } from "./elements.js";
import { confirmed, menu, notice } from "./popups.js";
import { act } from "./wire.js";

/** Where an element stands, as the server wants it pointed at. */
export function pointer(node) {
  const block = node.closest("[data-block-id]");
  const view = node.closest("[data-view]");
  const message = node.closest("[data-ts]");
  const where = view ? { view: view.dataset.view } : { channel: message?.dataset.channel, ts: message?.dataset.ts };
  const actionId = node.closest("[data-action-id]")?.dataset.actionId;
  return { ...where, block_id: block?.dataset.blockId ?? "", action_id: actionId ?? "" };
}

export const suggestions = (node, text) => act("options", { ...pointer(node), text });

const busy = new Set();

async function use(node, value) {
  const at = pointer(node);
  const key = JSON.stringify([at.view ?? at.ts, at.action_id]);
  if (busy.has(key) && node.dataset.use === "click") return;
  busy.add(key);
  node.setAttribute("aria-busy", "true");
  const answer = await act("use", { ...at, value });
  node.removeAttribute("aria-busy");
  busy.delete(key);
  if (answer.error) notice(answer.text ?? answer.error);
}

const mayGoOn = async (node) => !node.dataset.confirm || confirmed(JSON.parse(node.dataset.confirm));

export function listen() {
  document.addEventListener("click", async (event) => {
    const node = event.target.closest("[data-use]");
    if (!node) return;
    if (node.dataset.use === "click" && (await mayGoOn(node))) await use(node, null);
    if (node.dataset.use === "overflow") {
      const entries = JSON.parse(node.dataset.options);
      menu(
        node,
        entries.map(({ option, label, note }) => ({
          label,
          note,
          act: async () => (await mayGoOn(node)) && use(node, option),
        })),
        "More choices",
      );
    }
  });
  const changed = async (event) => {
    const field = event.target.closest("[data-use=field]");
    if (field && !event.target.matches("[role=combobox]") && (await mayGoOn(field))) await use(field, valueOf(field));
  };
  let resting = 0;
  document.addEventListener("input", (event) => {
    const field = event.target.closest("[data-typed=told]");
    if (!field) return;
    clearTimeout(resting); // as Slack's clients do: told when the typing rests
    resting = setTimeout(() => field.isConnected && use(field, valueOf(field)), 300);
  });
  document.addEventListener("change", changed);
  document.addEventListener("chosen", changed);
}
