"""The style of the page. Everything is served from here: no fonts, scripts or pictures from other servers."""

from __future__ import annotations

import html
from collections.abc import Sequence

HEADER = "<header><h1>contrastive-gan-zoo</h1></header>"

CSS = """
.dark { --color-accent: var(--primary-500); }
.gradio-container { max-width: 1440px !important; width: 100%; margin: 0 auto !important; }
:is(input, textarea, select, button, a, summary, [tabindex]):focus-visible {
  outline: 2px solid var(--color-accent) !important; outline-offset: 1px; }
input[type=range]::-webkit-slider-thumb { background: var(--color-accent) !important; }
input[type=range]::-moz-range-thumb { background: var(--color-accent) !important; }
body:not(.dark) .cm-line span { color: inherit !important; } /* Gradio's colours for code are pale on white */
.gradio-container .main.app { padding: 1rem clamp(.5rem, 5vw - 1rem, 2rem); }
.zoo-top { align-items: center; gap: .5rem; flex-wrap: nowrap; }
.zoo-top h1 { font-size: 1.25rem; font-weight: 700; margin: 0; letter-spacing: -.01em; }
.zoo-line { align-items: center; }
.zoo-facts a { margin: 0 !important; padding: 0 !important; }
.zoo-card span { font-weight: 400; }
.zoo-facts { margin: 0; color: var(--body-text-color-subdued); line-height: 1.5; font-size: .9rem; }
.zoo-facts strong { color: var(--body-text-color); margin-right: .5rem; }
.zoo-away { color: #b45309; overflow-wrap: anywhere; } .dark .zoo-away { color: #fbbf24; }
.zoo-notice { border-left: 4px solid #d97706; padding: .5rem .75rem; background: var(--block-background-fill); }
.zoo-notice p { margin: 0; overflow-wrap: anywhere; }
.zoo-verdict { font-size: 1.1rem; font-weight: 600; margin: 0 0 .5rem; }
.zoo-cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(190px, 1fr)); gap: .75rem; }
.zoo-cards-here { grid-template-columns: repeat(auto-fill, minmax(250px, 1fr)); }
.zoo-card { display: flex; flex-direction: column; gap: .1rem; text-align: left; padding: .5rem; min-width: 0;
  margin: 0 !important;
  border: 1px solid var(--border-color-primary); border-radius: var(--radius-sm);
  background: var(--block-background-fill); color: var(--body-text-color-subdued); font-size: .85rem; }
.zoo-card strong { color: var(--body-text-color); font-size: .95rem; overflow-wrap: anywhere; }
.zoo-card img, .zoo-blank { width: 100%; aspect-ratio: 5 / 2; margin-bottom: .25rem; }
.zoo-blank { display: grid; place-items: center; background: var(--background-fill-secondary); }
.zoo-card button { margin-top: auto; padding: .25rem .5rem; border-radius: var(--radius-sm);
  background: var(--button-secondary-background-fill); color: var(--button-secondary-text-color); }
button.zoo-card:hover, .zoo-card button:hover { border-color: var(--color-accent); filter: brightness(1.05); }
.zoo-cancel { animation: zoo-appear 0s .4s backwards; }
@keyframes zoo-appear { from { visibility: hidden; } }
.zoo-alone img, .zoo-sidebyside img { width: 100%; display: block; }
/* --wide columns, or --narrow ones in less than 540px: Gradio passes no @container rule on. */
.zoo-columns { display: grid; gap: 3px; grid-template-columns: repeat(auto-fit, minmax(max(100% / var(--wide) - 3px,
  min(100% / var(--narrow) - 3px, (540px - 100%) * 999)), 1fr)); }
.zoo-columns figure { margin: 0; min-width: 0; } .zoo-columns img { width: 100%; display: block; }
.zoo-columns figcaption { font-size: .65rem; letter-spacing: -.02em; line-height: 1.2; padding: .1rem 0 .4rem;
  text-align: center; overflow-wrap: anywhere; }
.zoo-plot img { image-rendering: auto; max-width: 800px; width: 100%; background: white; }
.dark .zoo-plot img { filter: invert(.93) hue-rotate(180deg); }
#sheet { min-height: 6rem; }
.zoo-upwards { flex-wrap: wrap-reverse !important; align-items: flex-end; }
#film:not(:has(img, .wrap:not(.hide))), #no-discriminator:not(:has(p)) { display: none; }
#message:not(:has(.zoo-notice)) { display: none; }
#message { position: sticky; top: 0; z-index: 20; } /* what was refused is seen wherever one has scrolled */
.zoo-status { color: var(--body-text-color-subdued); margin: 0; }
.zoo-pixels, .zoo-gallery img { image-rendering: pixelated; }
.zoo-gallery .caption-label { display: none; }
.zoo-gallery .grid-container { gap: 3px; padding: 0;
  grid-template-columns: repeat(min(var(--grid-cols), var(--at-most, 99)), minmax(0, 1fr)) !important;
  grid-template-rows: none !important; grid-auto-rows: auto !important; }
.zoo-gallery .thumbnail-item, .zoo-gallery img { border-radius: 0 !important; border: 0; }
.zoo-gallery:has(.preview) { min-height: 24rem; } /* one image is as large, however few there are */
.zoo-gallery .grid-wrap { height: auto; max-height: none; min-height: 0; overflow-y: visible; }
.zoo-strips, .zoo-strips tr, .zoo-strips th, .zoo-strips td { border: 0 !important; background: none !important; }
.zoo-strips { border-collapse: collapse; width: 100%; }
.zoo-strips caption, .zoo-caption { text-align: left; color: var(--body-text-color-subdued); padding: 0 0 .5rem; }
.zoo-strips th { font-weight: 500; text-align: right; white-space: nowrap; padding: 0 .75rem 0 0; width: 1%;
  max-width: 11rem; overflow: hidden; text-overflow: ellipsis; }
.zoo-strips td { padding: 0; }
.zoo-strips img { width: 100%; display: block; }
.zoo-sidebyside { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 300px), 1fr)); gap: 1.25rem; }
.zoo-sidebyside section { min-width: 0; }
.zoo-sidebyside h3 { margin: 0 0 .5rem; font-size: 1.05rem; }
.zoo-sidebyside img { width: 100%; display: block; }
/* Gradio draws the arrow of a menu over a long name. */
.secondary-wrap > .icon-wrap { right: .4rem; }
.secondary-wrap > input { padding-right: .75rem; text-overflow: ellipsis; }
#other-model input { font-size: .8rem; padding-left: 0; }
.zoo-scores { border-collapse: collapse; border: 0 !important; width: 100%; margin-top: .75rem; font-size: .9rem; }
.zoo-scores :is(thead, tbody, tr) { border: 0 !important; background: none !important; }
.zoo-scores th, .zoo-scores td { text-align: left; padding: .25rem .75rem .25rem 0 !important; vertical-align: top;
  border: 0 !important; border-bottom: 1px solid var(--border-color-primary) !important; }
#card table { display: block; overflow-x: auto; }
#card table, #card tr, #card th, #card td { border-left: 0; border-right: 0; }
#card table { font-size: .85rem; border: 0; }
#card :is(th, td) { min-width: 3.5rem; overflow-wrap: normal; word-break: normal; vertical-align: top; padding: .3rem; }
#card th:last-child, #card td:last-child { min-width: 8rem; }
.zoo-scores td:is(:nth-child(2), :nth-child(3)) { white-space: nowrap; font-variant-numeric: tabular-nums; }
.zoo-heat { border-collapse: separate; border-spacing: 2px; width: 100%; table-layout: fixed; font-size: .8rem; }
.zoo-heat, .zoo-heat tr { border: 0 !important; background: none !important; }
.zoo-heat :is(td, th) { border: 0 !important; padding: .2rem .1rem !important; text-align: center;
  white-space: nowrap; font-weight: 400; background: none; }
.zoo-heat thead td, .zoo-heat tbody th { width: 6.5em; text-align: right; overflow-wrap: anywhere; }
.zoo-upright thead th { vertical-align: bottom; }
.zoo-upright thead span { writing-mode: vertical-rl; transform: rotate(180deg); }
.zoo-heat caption { text-align: left; color: var(--body-text-color-subdued); padding-bottom: .5rem; }
.zoo-heat tbody td { background: color-mix(in srgb, var(--primary-500) var(--share, 0%),
  var(--background-fill-secondary)) !important; font-variant-numeric: tabular-nums; }
.dark .zoo-heat tbody td { background: color-mix(in srgb, var(--primary-700) var(--share, 0%),
  var(--background-fill-secondary)) !important; }
.zoo-heat td.zoo-asked { outline: 1px solid var(--body-text-color); }
.zoo-ranked { display: grid; grid-template-columns: repeat(auto-fill, minmax(88px, 1fr)); gap: .4rem; }
.zoo-ranked figure { margin: 0; } .zoo-ranked img { width: 100%; display: block; }
.zoo-ranked figcaption { font-size: .75rem; text-align: center; font-variant-numeric: tabular-nums; }
.zoo-out { opacity: .2; }
.zoo-map { position: relative; width: 100%; max-width: 900px; aspect-ratio: 4 / 3; container-type: inline-size; }
.zoo-map img { position: absolute; width: 4.2%; border: 2px solid; }
.zoo-map strong { position: absolute; transform: translate(-50%, -50%); padding: 0 .3em; line-height: 1.4;
  font-size: clamp(.5rem, 1.7cqw, .9rem); background: var(--background-fill-primary);
  color: var(--body-text-color); border: 1px solid currentColor; }
.zoo-pair { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(140px, 30%), 1fr)); gap: .75rem; }
.zoo-pair figure { margin: 0; } .zoo-pair img { width: 100%; display: block; }
.zoo-pair + p, .zoo-map + p { padding-top: .5rem; }
.zoo-pair figcaption { font-size: .8rem; color: var(--body-text-color-subdued); }
footer { gap: 1rem; }
footer > .divider { display: none; } /* on a phone it would stand alone before the last item */
/* Gradio applies rules in @media to its main part alone, and cuts their selectors at each comma. */
@media (max-width: 800px) {
  .zoo-split { flex-direction: column-reverse; flex-wrap: nowrap; align-items: stretch; }
  .zoo-split > .column { flex: none !important; flex-wrap: nowrap; }
  /* Sample: its button, its pictures, its other controls */
  #tab-sample .zoo-split { flex-direction: column; }
  #tab-sample .zoo-split > .column:first-child { display: contents; }
  #tab-sample .zoo-split > .column:last-child { order: 1; }
  #tab-sample .zoo-split > .column:first-child > :not(:first-child) { order: 2; }
  .zoo-tabs button[role=tab] { padding: 0 .4rem; }
}
@media (max-width: 640px) {
  .zoo-top { flex-direction: column; align-items: stretch; gap: .25rem; }
  .zoo-top h1 { font-size: 1rem; }
  .column { gap: .6rem; }
  .html-container { padding: .25rem; }
  .zoo-tabs .tab-wrapper { margin-bottom: .25rem; }
  #kind label { padding: .4rem; font-size: .8rem; }
  .zoo-map { margin: 0 8px 8px 0; } .zoo-map img { width: 22px; }
  .zoo-facts { font-size: .8rem; line-height: 1.35; }
  .zoo-cards-here { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: .5rem; }
  .zoo-cards-here span:not(:last-child) { display: none; } /* the title says the name again */
  .zoo-gallery .grid-container { --at-most: 5; }
  .zoo-ranked { grid-template-columns: repeat(auto-fill, minmax(56px, 1fr)); }
  .zoo-heat caption { font-size: .8rem; }
  .zoo-heat { font-size: .6rem; border-spacing: 1px; } .zoo-heat thead td, .zoo-heat tbody th { width: 7em; }
  .zoo-scores, .zoo-scores caption, .zoo-scores tbody, .zoo-scores tr, .zoo-scores td,
  #card table, #card tbody, #card tr, #card td { display: block; }
  .zoo-scores, .zoo-scores tbody, #card table, #card tbody { padding: 0; margin-inline: 0; }
  .zoo-scores thead, #card thead, #card td:empty { display: none; }
  .zoo-scores tr, #card tr { padding: .35rem 0; border-bottom: 1px solid var(--border-color-primary) !important; }
  .zoo-scores td, #card td { border: 0 !important; padding: 0 !important; white-space: normal !important; }
  .zoo-scores td:first-child, #card td:first-child { font-weight: 600; }
  .zoo-scores td:not(:first-child)::before, #card td:not(:first-child)::before { content: attr(data-title) ": ";
    color: var(--body-text-color-subdued); }
  #card pre code { white-space: pre-wrap; }
  #card h1 { font-size: 1.25rem; }
  .zoo-strips th { padding-right: .4rem; max-width: 5.5rem; font-size: .85rem; }
}
"""


def theme():
    """Return Gradio's Soft theme in one accent colour, with system fonts."""
    from gradio.themes import Default

    sans = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
    mono = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")
    made = Default(primary_hue="teal", neutral_hue="slate", font=sans, font_mono=mono, radius_size="sm")
    return made.set(  # contrasts of at least 4.5
        body_text_color_subdued="*neutral_600",
        block_info_text_color="*neutral_600",
        color_accent="*primary_700",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_600",
    )


def notice(lines: Sequence[str]) -> str:
    """Format what the page has to say: each line a paragraph."""
    return (
        '<div class="zoo-notice" role="status">' + "".join(f"<p>{html.escape(line)}</p>" for line in lines) + "</div>"
    )


def status(text: str) -> str:
    return f'<p class="zoo-status" role="status">{html.escape(text)}</p>'
