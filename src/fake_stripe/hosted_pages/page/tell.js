for (const other of [window.opener, window.parent])
  if (other && other !== window) other.postMessage({ type: "local-stripe-3ds" }, "*");
