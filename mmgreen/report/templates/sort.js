// A click on a column's header sorts by it, numbers from the largest; another click turns it round.
for (const table of document.querySelectorAll("table.sortable")) {
  const headers = [...table.tHead.rows[0].cells];
  headers.forEach((header, column) => {
    header.querySelector("button").addEventListener("click", () => {
      const key = (row) => {
        const value = row.cells[column].dataset.value;
        if (value === undefined) return row.cells[column].textContent.trim();
        return value === "-inf" ? -Infinity : Number(value);
      };
      const rows = [...table.tBodies[0].rows];
      const numbers = rows.length > 0 && typeof key(rows[0]) === "number";
      const before = header.getAttribute("aria-sort");
      const first = numbers ? "descending" : "ascending";
      const second = numbers ? "ascending" : "descending";
      const order = before === first ? second : first;
      const sign = order === "ascending" ? 1 : -1;
      rows.sort((a, b) => {
        const [x, y] = [key(a), key(b)];
        if (numbers) return x === y ? 0 : x < y ? -sign : sign;
        return sign * x.localeCompare(y);
      });
      headers.forEach((other) => other.removeAttribute("aria-sort"));
      header.setAttribute("aria-sort", order);
      table.tBodies[0].append(...rows);
    });
  });
}
