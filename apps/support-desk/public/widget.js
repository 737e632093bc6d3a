// The customer's chat on any page: <script src="https://<where this lies>/widget.js" async></script>
// It adds a button and, once that is pressed, a frame of its own, so that page and chat cannot break each other.
(() => {
  if (window.supportDeskWidget) return;
  window.supportDeskWidget = true;
  const script = document.currentScript;
  const origin = new URL(script.src).origin;
  const label = script.dataset.label ?? "Chat with us";

  const button = document.createElement("button");
  button.type = "button";
  button.textContent = label;
  button.setAttribute("aria-expanded", "false");
  button.style.cssText =
    "position:fixed;right:20px;bottom:20px;z-index:2147483000;border:0;border-radius:999px;padding:13px 20px;" +
    "background:#0f766e;color:#fff;font:600 15px system-ui,sans-serif;box-shadow:0 6px 24px #0004;cursor:pointer";

  let frame = null;
  const open = () => {
    if (frame === null) {
      frame = document.createElement("iframe");
      frame.src = `${origin}/widget.html`;
      frame.title = "Support chat";
      frame.style.cssText =
        "position:fixed;right:20px;bottom:80px;z-index:2147483000;width:min(390px,calc(100vw - 32px));" +
        "height:min(620px,calc(100vh - 110px));border:0;border-radius:16px;box-shadow:0 12px 48px #0005;color-scheme:normal";
      document.body.append(frame);
    }
    frame.hidden = false;
    button.textContent = "Close";
    button.setAttribute("aria-expanded", "true");
    frame.focus();
  };
  const close = () => {
    frame.hidden = true;
    button.textContent = label;
    button.setAttribute("aria-expanded", "false");
    button.focus();
  };
  button.addEventListener("click", () => (frame === null || frame.hidden ? open() : close()));
  window.addEventListener("message", (event) => {
    if (event.origin === origin && event.data === "support-desk:close" && frame !== null) close();
  });
  const attach = () => document.body.append(button);
  if (document.body === null) document.addEventListener("DOMContentLoaded", attach);
  else attach();
})();
