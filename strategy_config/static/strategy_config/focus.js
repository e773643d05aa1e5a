// The theme hides a page until its own script has run, and what is hidden takes no focus: the first field gets it then.
function focusFirst() {
  if (document.activeElement === document.body) document.querySelector("[autofocus]")?.focus();
}

document.addEventListener("alpine:initialized", focusFirst);
focusFirst();
