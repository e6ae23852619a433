// A graph with its pointer, keys and screen reader text: the main one, and those of callers and callees.
class Pane {
  /** Calls ``on.chosen(node)``, ``on.left()`` (Escape) and ``on.key(event)`` for keys that the pane does not handle. */
  constructor(stage, facts, say, on, tallest) {
    this.facts = facts;
    this.say = say;
    this.on = on;
    this.graph = new Graph(stage, {
      tallest,
      chosen: node => {
        this.graph.focusOn(node, { scroll: false });
        on.chosen(node);
      },
      hovered: (node, event) => {
        if (node < 0) hideTooltip();
        else showTooltip(facts, this.graph.tree, node, event.clientX, event.clientY);
      },
    });
    this.graph.canvas.addEventListener("keydown", event => this.key(event));
    this.graph.canvas.addEventListener("focus", () => { if (this.graph.focus >= 0) this.tell(); });
    this.graph.canvas.addEventListener("blur", hideTooltip);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { graph } = this;
    if (event.key.startsWith("Arrow")) this.moveTo(graph.neighbour(event.key));
    else if (event.key === "Enter" || event.key === " ") {
      if (graph.focus >= 0) this.on.chosen(graph.focus);
    } else if (event.key === "Escape") {
      hideTooltip();
      this.on.left();
    } else if (!this.on.key?.(event)) return;
    event.preventDefault();
  }

  moveTo(node) {
    if (node < 0) return;
    this.graph.focusOn(node);
    this.tell();
    this.on.moved?.(node);
  }

  tell() {
    const { graph, facts } = this, node = graph.focus, at = graph.rectangle(node);
    this.say(facts.spoken(graph.tree, node));
    if (!at) return;
    const bounds = graph.canvas.getBoundingClientRect();
    showTooltip(facts, graph.tree, node, bounds.left + Math.max(0, at.x) + 4, bounds.top + at.y + 8);
  }
}
