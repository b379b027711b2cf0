"use strict";
(() => {
  const byId = (id) => document.getElementById(id);

  const show = (state, text) => {
    if (byId("status-text").textContent === text) return; // said already
    byId("status").dataset.state = state;
    byId("status-text").textContent = text;
  };

  const check = async () => {
    try {
      const answer = await fetch("/healthz", { cache: "no-store", signal: AbortSignal.timeout(5000) });
      const health = await answer.json();
      if (answer.ok && health.redis) {
        show("good", "Healthy");
      } else if (answer.ok) {
        show("warn", "Running, but its Redis does not answer: clients are asked to retry");
      } else {
        show("bad", "Not healthy: status " + answer.status);
      }
    } catch {
      show("bad", "The server does not answer");
    }
  };
  show("unknown", "Checking…");
  check();
  setInterval(() => { if (!document.hidden) check(); }, 10000);

  // The clipboard can be used on HTTPS and localhost; elsewhere the text is selected.
  const copy = async (element) => {
    try {
      await navigator.clipboard.writeText(element.textContent);
      return "Copied";
    } catch {
      getSelection().selectAllChildren(element);
      return "Selected";
    }
  };
  for (const button of document.querySelectorAll("button[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const done = await copy(byId(button.dataset.copy));
      button.textContent = done;
      byId("announce").textContent = done;
      setTimeout(() => {
        button.textContent = "Copy";
        byId("announce").textContent = "";
      }, 2000);
    });
  }
})();
