// The panel's wires: what is pressed in saymask's HTML becomes an event in one hidden text field that the server reads.
"use strict";
(() => {
  const LABEL = "saymask-events";
  let number = 0;
  let waiting = [];

  function field() {
    const label = [...document.querySelectorAll("label")].find((l) => l.textContent === LABEL);
    const row = label && label.closest("div.mantine-Flex-root");
    if (!row) return null;
    (row.parentElement || row).classList.add("sm-wire");
    return row.querySelector("input");
  }

  function flush() {
    const input = field();
    if (!input || !waiting.length) return;
    // The last ones again: of two values that follow at once, only the second may arrive.
    const text = JSON.stringify(waiting.slice(-20));
    Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(input, text);
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function send(name, value) {
    number += 1;
    waiting = [...waiting.slice(-19), [number, name, String(value)]];
    flush();
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do]");
    if (!button || button.tagName !== "BUTTON") return;
    if (button.dataset.do === "upload") {
      document.querySelector("input[type=file]")?.click();
      return;
    }
    send(button.dataset.do, button.dataset.value ?? "");
  });

  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-do]");
    if (!form) return;
    event.preventDefault();
    event.stopPropagation();
    const input = form.querySelector("input");
    if (input.value.trim()) send(form.dataset.do, input.value.trim());
  }, true);

  document.addEventListener("input", (event) => {
    const range = event.target.closest("input[type=range][data-do]");
    if (range) range.parentElement.querySelector("output").textContent = (+range.value).toFixed(2);
  });

  document.addEventListener("change", (event) => {
    const input = event.target.closest("select[data-do], input[type=range][data-do]");
    if (input) send(input.dataset.do, input.value);
  });

  let hovered = "";
  document.addEventListener("pointerover", (event) => {
    const now = event.target.closest?.("[data-hover]")?.dataset.hover ?? "";
    if (now !== hovered) send("hover", (hovered = now));
  });

  const KEYS = {
    u: ["undo", ""], n: ["next", ""], x: ["tool", "other"], m: ["tool", "measure"], c: ["ceiling", ""],
    b: ["boxes", ""], l: ["names", ""], h: ["home", ""], "?": ["help", ""],
    1: ["layer", "colors"], 2: ["layer", "semantic"], 3: ["layer", "instances"], 4: ["layer", "panoptic"],
  };
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
    if (event.key === "Escape" && typing) event.target.blur();
    if (typing || event.altKey) return;
    if ((event.ctrlKey || event.metaKey) && event.key === "z") return event.preventDefault(), send("undo", "");
    if (event.ctrlKey || event.metaKey) return;
    if (event.key === "/") {
      event.preventDefault();
      document.querySelector(".sm-ask input")?.focus();
    } else if (KEYS[event.key]) {
      send(...KEYS[event.key]);
    }
  });

  // A file that is dropped anywhere goes the way of the upload button.
  for (const kind of ["dragover", "drop"]) {
    document.addEventListener(kind, (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      document.body.classList.toggle("sm-drop", kind === "dragover");
      const input = document.querySelector("input[type=file]");
      if (kind === "drop" && input && event.dataTransfer.files.length) {
        input.files = event.dataTransfer.files;
        input.dispatchEvent(new Event("change", { bubbles: true }));
      }
    });
  }
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("sm-drop");
  });

  // The field appears when the panel is there: an empty one is that of a new page, also after the server was started
  // again; one with our words is the old one, moved (a phone was turned, the panel was folded).
  let last = null;
  new MutationObserver(() => {
    const input = field();
    if (input === last) return;
    last = input;
    if (!input || input.value) return flush();
    number = 0;
    waiting = [];
    send("dark", Number(matchMedia("(prefers-color-scheme: dark)").matches));
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
