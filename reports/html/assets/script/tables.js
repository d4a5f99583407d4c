// A click on a column's head, or Enter on it, sorts the rows: up, down, and as they were. Figures are sorted by value, and before
// texts. The total stays last.
function sorted(rows, column, down) {
	const key = (row) => {
		const cell = row.cells[column];
		return cell.dataset.value === undefined ? cell.textContent.trim() : Number(cell.dataset.value);
	};
	const compare = (a, b) => {
		if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
		const order = typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true });
		return down ? -order : order;
	};
	return rows.map((row) => [key(row), row]).sort(([a], [b]) => compare(a, b)).map(([, row]) => row);
}
function sortable(table) {
	const body = table.tBodies[0], total = [...body.rows].filter((r) => r.classList.contains("total")), rows = [...body.rows].filter((r) => !total.includes(r));
	const heads = [...table.tHead.rows[0].cells];
	if (rows.length < 2) return;
	heads.forEach((head, column) => {
		if (head.textContent.trim() === "") return;
		const button = document.createElement("button");
		button.type = "button";
		button.className = "sort";
		button.append(...head.childNodes);
		head.append(button);
		button.addEventListener("click", () => {
			const next = { ascending: "descending", descending: null }[head.getAttribute("aria-sort")];
			heads.forEach((h) => h.removeAttribute("aria-sort"));
			const order = next === null ? null : next ?? "ascending";
			table.dataset.sorted = order === null ? "" : column + " " + order;
			if (order) head.setAttribute("aria-sort", order);
			body.append(...(order ? sorted(rows, column, order === "descending") : rows), ...total);
		});
	});
}

// Where a table has no room for its columns, each row becomes a card with the columns' names before the values. All are measured
// before any is changed: the page is laid out once.
function fit(boxes) {
	const all = boxes.filter((b) => b.clientWidth > 0).map((box) => ({ box, table: box.querySelector("table") }));
	all.forEach(({ table }) => table.classList.remove("rows"));
	const narrow = all.filter(({ box }) => box.scrollWidth > box.clientWidth);
	for (const { table } of narrow) {
		if (!table.dataset.labelled) {
			table.dataset.labelled = "yes";
			const names = [...table.tHead.rows[0].cells].map((c) => c.textContent);
			for (const r of table.tBodies[0].rows) [...r.cells].forEach((c, i) => { if (c.tagName === "TD") c.dataset.label = names[i]; });
		}
		table.classList.add("rows");
	}
}
const boxes = new ResizeObserver((all) => requestAnimationFrame(() => {
	const changed = all.map((a) => a.target).filter((box) => widths.get(box) !== box.clientWidth);
	changed.forEach((box) => widths.set(box, box.clientWidth));
	fit(changed);
}));

// A word with a meaning shows it while the pointer or the focus is on it.
const tip = Object.assign(document.createElement("div"), { className: "tip", hidden: true });
tip.setAttribute("role", "tooltip");
document.body.append(tip);
function explain(head) {
	const on = head.querySelector("button") ?? head, meaning = head.title;
	head.removeAttribute("title");
	head.classList.add("term");
	on.setAttribute("aria-description", meaning);
	const put = () => {
		tip.textContent = meaning;
		tip.hidden = false;
		const at = head.getBoundingClientRect();
		tip.style.left = Math.max(8, Math.min(at.left, innerWidth - tip.offsetWidth - 8)) + "px";
		tip.style.top = Math.max(8, at.top - tip.offsetHeight - 6) + "px";
	};
	const away = () => { tip.hidden = true; };
	on.addEventListener("focus", put);
	on.addEventListener("blur", away);
	head.addEventListener("mouseenter", put);
	head.addEventListener("mouseleave", away);
	on.addEventListener("keydown", (e) => e.key === "Escape" && away());
}
addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });

function tablesOf(root) {
	root.querySelectorAll("table").forEach((table) => table.tHead && sortable(table));
	const tables = [...root.querySelectorAll(".scroll")];
	fit(tables);
	tables.forEach((box) => { widths.set(box, box.clientWidth); boxes.observe(box); });
	root.querySelectorAll("th[title]").forEach(explain);
}
tablesOf(document);
