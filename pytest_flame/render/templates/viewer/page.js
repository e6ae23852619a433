// The overview, and opening a test's graph when its section opens.
const open = new Map(); // section → viewer, or the promise of one

function viewerOf(section) {
  const block = section.querySelector("script.graph");
  if (!block) return null;
  if (!open.has(section)) {
    open.set(section, decode(block).then(profile => {
      const viewer = new Viewer(section, profile);
      section.querySelector(".graph-here").replaceChildren(viewer.root);
      section.classList.add("drawn");
      return viewer;
    }, error => {
      section.querySelector(".graph-here").replaceChildren(make("p", { class: "note" }, `The graph cannot be shown: ${error.message}. Below stands its picture.`));
      return null;
    }));
  }
  return open.get(section);
}

/** Shows what the address names. */
async function follow({ scroll }) {
  const { anchor, state } = readAddress(), section = anchor && document.getElementById(anchor);
  if (!(section instanceof HTMLDetailsElement)) return;
  const wasOpen = section.open;
  section.open = true;
  if (scroll || !wasOpen) section.scrollIntoView();
  const viewer = await viewerOf(section);
  if (!viewer) return;
  if (!viewer.state || address(anchor, viewer.state) !== address(anchor, state)) viewer.apply(state);
}

async function draw(section) {
  const viewer = await viewerOf(section);
  if (!viewer) return;
  const { anchor, state } = readAddress();
  if (!viewer.state) viewer.apply(anchor === section.id ? state : { ...DEFAULTS });
  else viewer.graph.show();
}

// With many open tests, only those near the viewport are decoded.
const near = new IntersectionObserver(entries => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting || !target.open) continue;
    near.unobserve(target);
    draw(target);
  }
}, { rootMargin: "300px" });
for (const section of document.querySelectorAll("details.test")) {
  section.addEventListener("toggle", () => { if (section.open) near.observe(section); });
  if (section.open) near.observe(section);
}
addEventListener("hashchange", () => follow({ scroll: false }));
follow({ scroll: true });

const redrawn = async () => {
  for (const found of open.values()) {
    const viewer = await found;
    if (viewer?.state) viewer.redraw();
  }
};
DARK.addEventListener("change", redrawn);
addEventListener("beforeprint", () => { printing = true; redrawn(); });
addEventListener("afterprint", () => { printing = false; redrawn(); });

/** The graph a key is meant for: the focused one, otherwise the first on the screen. */
addEventListener("keydown", async event => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target instanceof Element && event.target.matches("input:not([type=radio], [type=checkbox]), textarea, select")) return;
  const sections = [...document.querySelectorAll("details.test.drawn[open]")];
  const meant = sections.find(section => section.contains(event.target)) ?? sections.find(section => section.getBoundingClientRect().bottom > 60);
  if (!meant) return;
  event.preventDefault();
  const viewer = await open.get(meant);
  viewer.find.focus();
  viewer.find.select();
});
