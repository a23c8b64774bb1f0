// What pages do beyond plain HTML: they follow what changes, guard against a second click, and copy ids.
// Everything works without it.

const FIRST = 2_000, SLOWEST = 10_000; // milliseconds between two looks

for (const form of document.querySelectorAll("form[method=post]")) {
  form.addEventListener("submit", () => {
    // After the browser has taken the button's own value along.
    setTimeout(() => {
      for (const button of form.querySelectorAll("button")) button.disabled = true;
      form.setAttribute("aria-busy", "true");
    });
  });
}

// A page that comes back from the browser's memory must not keep its buttons disabled.
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const form of document.querySelectorAll("form[aria-busy]")) {
    form.removeAttribute("aria-busy");
    for (const button of form.querySelectorAll("button")) button.disabled = false;
  }
});

function copies(root) {
  for (const id of root.querySelectorAll("[data-copy]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.setAttribute("aria-label", `Copy ${id.textContent}`);
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(id.textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 2_000);
    });
    id.after(" ", button);
  }
}

// The heading is outside of what is followed, so that its place stays; what it says may change.
function retitle(said) {
  const head = document.querySelector("h1");
  if (!said || !head || head.textContent === said.dataset.title) return;
  document.title = document.title.replace(head.textContent, said.dataset.title);
  head.textContent = said.dataset.title;
}

function follow(live) {
  let pause = FIRST;
  const note = document.createElement("p");
  note.className = "quiet small";
  note.setAttribute("role", "status");
  live.parentElement.before(note);

  async function look() {
    // Nobody looks, or somebody is typing: what is on the page stays.
    if (document.hidden || live.contains(document.activeElement)) return later();
    try {
      const answer = await fetch(live.dataset.live, { headers: { "X-Fragment": "live" }, redirect: "error" });
      if (!answer.ok) throw new Error(String(answer.status));
      const text = await answer.text();
      note.textContent = "";
      if (text !== live.dataset.was) {
        live.innerHTML = text;
        live.dataset.was = text;
        retitle(live.querySelector("[data-title]"));
        copies(live);
        pause = FIRST;
      }
    } catch {
      note.textContent = "Reconnecting…";
    }
    if (!live.querySelector("[data-final]")) later();
  }
  function later() {
    setTimeout(look, pause);
    pause = Math.min(pause * 1.3, SLOWEST);
  }
  if (!live.querySelector("[data-final]")) later();
}

copies(document);
for (const live of document.querySelectorAll("[data-live]")) follow(live);
