"use strict";
/* Sorts a table by a column whose header is clicked, folds long ones, and finds a language in all of them.

   Only rows with data-name take part: rows of means and of the source language stay on top. Without this script the
   page shows every row in the report's order. In print every row is there too, and the headings of groups where the
   table is not `sorted`: then all rows are in the first group. */
(() => {
  const LONG = 12; // rows; a table with more is folded
  const FOLDED = 10; // rows that are left of it
  const search = document.querySelector(".search");
  const wanted = search.querySelector("input");
  const found = search.querySelector("output");

  const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

  function key(row, column) {
    return column === 0 ? row.dataset.name : Number.parseFloat(row.cells[column].dataset.value);
  }

  function inOrder(rows, column, direction) {
    const missing = (value) => Number.isNaN(value);
    return [...rows].sort((one, other) => {
      const [a, b] = [key(one, column), key(other, column)];
      if (missing(a) || missing(b)) return missing(a) - missing(b); // last in both directions
      return direction * (column === 0 ? a.localeCompare(b, "en") : a - b);
    });
  }

  class Table {
    constructor(element) {
      this.element = element;
      this.rows = [...element.querySelectorAll("tr[data-name]")];
      this.homes = this.rows.map((row) => row.parentElement); // a group of rows, perhaps with a heading
      this.heads = [...element.tHead.rows[0].cells];
      this.languages = element.classList.contains("languages");
      this.column = null; // the one that it is sorted by, null: the report's order
      this.direction = 0; // 1 ascending, -1 descending
      this.heads.forEach((head, column) => this.makeSortable(head, column));
      this.folded = this.rows.length > LONG;
      if (this.folded) this.makeFoldable();
    }

    makeSortable(head, column) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      button.addEventListener("click", () => {
        const first = column === 0 ? 1 : -1; // names from a, numbers from the highest
        if (this.column !== column) [this.column, this.direction] = [column, first];
        else if (this.direction === first) this.direction = -first;
        else this.column = null;
        this.show();
      });
      head.append(button);
    }

    makeFoldable() {
      this.button = document.createElement("button");
      this.button.type = "button";
      this.button.className = "fold";
      this.button.addEventListener("click", () => {
        this.folded = !this.folded;
        this.show();
      });
      this.element.closest(".wide").after(this.button);
    }

    /* Show the rows that are wanted; gives their number. */
    show() {
      const sorted = this.column !== null;
      const rows = sorted ? inOrder(this.rows, this.column, this.direction) : this.rows;
      rows.forEach((row, place) => (sorted ? this.homes[0] : this.homes[place]).append(row));
      this.element.classList.toggle("sorted", sorted);
      this.heads.forEach((head, column) => {
        if (column === this.column) head.setAttribute("aria-sort", this.direction > 0 ? "ascending" : "descending");
        else head.removeAttribute("aria-sort");
      });

      const searched = this.languages ? plain(wanted.value.trim()) : "";
      const matching = rows.filter((row) => plain(row.dataset.name).includes(searched));
      const shown = new Set(this.folded && !searched ? matching.slice(0, FOLDED) : matching);
      for (const row of rows) row.hidden = !shown.has(row);
      for (const heading of this.element.querySelectorAll("th.part")) {
        const group = heading.closest("tbody");
        heading.parentElement.hidden = sorted || ![...shown].some((row) => row.parentElement === group);
      }
      if (this.button) {
        this.button.hidden = Boolean(searched);
        const what = this.languages ? "languages" : "strategies";
        this.button.textContent = this.folded ? `Show all ${this.rows.length} ${what}` : `Show only ${FOLDED} ${what}`;
        this.button.setAttribute("aria-expanded", String(!this.folded));
      }
      return matching;
    }
  }

  const tables = [...document.querySelectorAll("table.sortable")].map((element) => new Table(element));
  const ofLanguages = tables.filter((table) => table.languages);
  for (const table of tables) table.show();
  search.hidden = ofLanguages.length === 0;
  wanted.addEventListener("input", () => {
    const names = new Set(ofLanguages.flatMap((table) => table.show()).map((row) => row.dataset.name));
    found.textContent = !wanted.value.trim() ? "" : names.size === 1 ? "1 language" : `${names.size} languages`;
  });
})();
