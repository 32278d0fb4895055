"""The page's few lines of JavaScript, most of which press buttons that are on the page.

A tab is drawn when it is first shown with a model: by a press on its button of the class `zoo-draw`. So nothing is
drawn that nobody sees, and no tab is empty.
"""

HEAD = """<meta name="description" content="Sample, explore, compare and evaluate GANs in the browser.">
<script>
// Presses the drawing button of the tab that is shown, unless it has drawn this model.
window.zooDraw = (tries = 20) => {
  const model = document.querySelector("#facts [data-model]")?.dataset.model;
  const button = [...document.querySelectorAll("button.zoo-draw")].find(
    (each) => each.closest("[role=tabpanel]")?.offsetParent);
  if (!model || !button) { if (tries) setTimeout(() => window.zooDraw(tries - 1), 100); return; }
  if (button.dataset.drawn === model) return;
  button.dataset.drawn = model;
  button.click();
};
// Cells of the card's tables name their column, for screens that show a row as a list.
new MutationObserver(() => document.querySelectorAll("#card td:not([data-title])").forEach((cell) => {
  cell.dataset.title = cell.closest("table").rows[0].cells[cell.cellIndex]?.textContent ?? "";
})).observe(document, { childList: true, subtree: true });
</script>"""

DRAW = "() => { setTimeout(window.zooDraw, 100); }"

# The address bar follows the tab, once the page has drawn what its address asked for.
FOLLOW_TAB = """() => { setTimeout(window.zooDraw, 100);
if (!document.querySelector("#facts [data-model]")) return;
const to = new URL(location); to.searchParams.set("tab", "%s");
history.replaceState(null, "", to.toString().replaceAll("%%2F", "/")); }"""

# A click on a button with data-index selects that item.
SELECT_INDEX = """element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-index]");
  if (button) trigger("select", { index: Number(button.dataset.index), value: null });
});"""

SHOW_CHOICE = """() => { setTimeout(() => document.querySelector("#get")?.scrollIntoView(
  { block: "nearest", behavior: "smooth" }), 100); setTimeout(window.zooDraw, 100); }"""

# On a narrow screen the seed is below the pictures.
SHOW_PICTURES = """() => { document.querySelector("#gallery")?.scrollIntoView(
  { block: "nearest", behavior: "smooth" }); }"""

# The film is below the picture that moves: on most screens it, and its progress, would not be seen.
SHOW_FILM = """() => { setTimeout(() => document.querySelector("#film")?.scrollIntoView(
  { block: "nearest", behavior: "smooth" }), 300); }"""
