import { useConvexConnectionState } from "convex/react";
import { useEffect, useState, useSyncExternalStore } from "react";

const graceMs = 700;

/** Says so when the live connection is gone for more than a moment. Messages sent meanwhile wait in the client. */
export function ConnectionNotice() {
  const { isWebSocketConnected, hasEverConnected } = useConvexConnectionState();
  const isOnline = useIsOnline();
  const [isShown, setShown] = useState(false);
  useEffect(() => {
    if (isWebSocketConnected) {
      setShown(false);
      return;
    }
    const timer = setTimeout(() => setShown(true), graceMs);
    return () => clearTimeout(timer);
  }, [isWebSocketConnected]);
  return (
    <div className="connection" role="status">
      {(isShown || !isOnline) && (
        <span className={isOnline ? "connection-text" : "connection-text offline"}>
          <span className="spinner" aria-hidden="true" />
          <span>
            <strong>
              {!isOnline ? "You are offline." : hasEverConnected ? "Reconnecting…" : "Connecting…"}
            </strong>
            {hasEverConnected && " What you write is kept, and sent when the connection is back."}
          </span>
        </span>
      )}
    </div>
  );
}

/** Whether this computer has a network at all. */
function useIsOnline(): boolean {
  return useSyncExternalStore(
    (listener) => {
      window.addEventListener("online", listener);
      window.addEventListener("offline", listener);
      return () => {
        window.removeEventListener("online", listener);
        window.removeEventListener("offline", listener);
      };
    },
    () => navigator.onLine,
  );
}
