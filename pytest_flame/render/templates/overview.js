// The list of tests: filter and sort.
{
  const tests = [...document.querySelectorAll("[data-test]")];
  const bar = document.querySelector(".filter");
  if (bar) {
    const words = bar.querySelector("input[type=search]");
    const passed = bar.querySelector("input[type=checkbox]");
    const shown = bar.querySelector("output");
    const apply = () => {
      const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
      let rows = 0;
      for (const test of tests) {
        const text = test.dataset.test.toLowerCase();
        const hit = wanted.every(word => text.includes(word));
        test.hidden = !hit || (!passed.checked && test.dataset.verdict === "PASS");
        if (!test.hidden && test.tagName === "TR") rows += 1;
      }
      shown.textContent = rows + (rows === 1 ? " test" : " tests");
    };
    words.addEventListener("input", apply);
    passed.addEventListener("change", apply);
    bar.hidden = false;
    apply();
  }

  const value = (row, column) => {
    const cell = row.cells[column];
    const number = Number.parseFloat(cell.dataset.value);
    return cell.dataset.value === undefined ? cell.textContent.trim() : Number.isNaN(number) ? Infinity : number;
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") !== "descending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = [...table.tBodies[0].rows];
        rows.sort((one, two) => {
          const a = value(one, column), b = value(two, column);
          const order = typeof a === "number" ? a - b : String(a).localeCompare(String(b));
          return down ? -order : order;
        });
        table.tBodies[0].append(...rows);
      });
    });
  }
}
