// Passkeys: what the server asks goes to the device, what the device signs goes to the server. Without support the buttons stay hidden.
(() => {
  "use strict";

  if (!window.PublicKeyCredential) return;
  const csrf = document.querySelector('meta[name="csrf-token"]').content;

  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const named = (list) => list?.map((one) => ({ ...one, id: bytes(one.id) }));

  async function ask(address, sent) {
    const headers = { "Content-Type": "application/json", "X-CSRFToken": csrf };
    const answer = await fetch(address, { method: "POST", headers, body: JSON.stringify(sent) });
    const told = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(Object.values(told.errors ?? {})[0] ?? told.message ?? "That did not work. Reload the page and try again.");
    return told;
  }

  async function create(options) {
    const user = { ...options.user, id: bytes(options.user.id) };
    const publicKey = { ...options, user, challenge: bytes(options.challenge), excludeCredentials: named(options.excludeCredentials) };
    const made = await navigator.credentials.create({ publicKey });
    const { clientDataJSON, attestationObject } = made.response;
    return {
      id: made.id, rawId: text(made.rawId), type: made.type, clientExtensionResults: made.getClientExtensionResults(),
      response: { clientDataJSON: text(clientDataJSON), attestationObject: text(attestationObject) },
    };
  }

  async function sign(options) {
    const publicKey = { ...options, challenge: bytes(options.challenge), allowCredentials: named(options.allowCredentials) };
    const made = await navigator.credentials.get({ publicKey });
    const { clientDataJSON, authenticatorData, signature, userHandle } = made.response;
    const response = { clientDataJSON: text(clientDataJSON), authenticatorData: text(authenticatorData), signature: text(signature) };
    if (userHandle) response.userHandle = text(userHandle);
    return { id: made.id, rawId: text(made.rawId), type: made.type, clientExtensionResults: made.getClientExtensionResults(), response };
  }

  // What the browser says is meant for programmers.
  const WORDS = {
    NotAllowedError: "It was cancelled, or took too long. Try again.",
    InvalidStateError: "This device has a passkey for your account already.",
    SecurityError: "Passkeys work only at the address that this installation is meant to be reached at.",
    NotSupportedError: "This device cannot make such a passkey.",
  };

  async function attempt(root, work) {
    const said = root.querySelector(".passkey-said");
    const button = root.querySelector("button[data-passkey], button[type=submit]");
    said.textContent = "";
    button.disabled = true;
    try {
      location.assign((await work()).url);
    } catch (error) {
      said.textContent = WORDS[error.name] ?? error.message;
      button.disabled = false;
    }
  }

  for (const button of document.querySelectorAll("[data-passkey]")) {
    const root = button.closest(".passkey");
    root.hidden = false;
    button.addEventListener("click", () => attempt(root, async () => {
      const credential = await sign(await ask("/app/login/passkey/ask", {}));
      return ask("/app/login/passkey", { credential, next: button.dataset.next });
    }));
  }

  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form.passkey-new");
    if (!form) return;
    event.preventDefault();
    attempt(form, async () => {
      const { password, name } = Object.fromEntries(new FormData(form));
      const credential = await create(await ask("/app/profile/passkeys/make", { password }));
      return ask("/app/profile/passkeys", { name, credential });
    });
  });
})();
