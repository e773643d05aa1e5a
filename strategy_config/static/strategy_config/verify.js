// Verifies what is new in the history, a part at a time, and says how far it is. Stops while the tab is hidden.
const line = document.getElementById("chain");
const token = document.querySelector("#verify input[name=csrfmiddlewaretoken]").value;
const number = new Intl.NumberFormat("en");

async function next() {
  const answer = await fetch(line.dataset.url, { method: "POST", headers: { "X-CSRFToken": token } });
  const told = await answer.json();
  if (!answer.ok) {
    line.textContent = told.text ?? "The history could not be verified.";
    return false;
  }
  if (told.bad) {
    line.classList.add("answer-off");
    line.textContent = `Verification failed at change ${number.format(told.bad.position)}: ${told.bad.problem}. Tell the person responsible; manage.py verify_audit checks the whole history.`;
    return false;
  }
  const verified = number.format(told.verified);
  const words = told.is_done
    ? `All ${verified} changes verified: none was altered or removed.`
    : `${verified} of ${number.format(told.head)} changes verified so far.`;
  line.textContent = told.head ? words : "No changes yet.";
  return !told.is_done;
}

async function verify() {
  try {
    while (!document.hidden && (await next()));
  } catch {
    line.textContent = "The site is not responding: the progress of the verification is unknown.";
  }
}

if (Number(line.dataset.head) > 0) {
  verify();
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) verify();
  });
}
