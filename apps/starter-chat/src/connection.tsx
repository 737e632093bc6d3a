import { useConvexConnectionState } from "convex/react";
import { useEffect, useState } from "react";

const graceMs = 700;

/** Says so when the live connection is gone for more than a moment. Messages sent meanwhile wait in the client. */
export function ConnectionNotice() {
  const { isWebSocketConnected, hasEverConnected, inflightMutations } = useConvexConnectionState();
  const [isShown, setShown] = useState(false);
  useEffect(() => {
    if (isWebSocketConnected) {
      setShown(false);
      return;
    }
    const timer = setTimeout(() => setShown(true), graceMs);
    return () => clearTimeout(timer);
  }, [isWebSocketConnected]);
  const waiting =
    inflightMutations === 0
      ? ""
      : ` ${inflightMutations === 1 ? "One change waits" : `${inflightMutations} changes wait`} to be sent.`;
  return (
    <div className="connection" role="status">
      {isShown && (
        <span className="connection-text">
          <span className="spinner" aria-hidden="true" />
          {hasEverConnected ? `Reconnecting…${waiting}` : "Connecting…"}
        </span>
      )}
    </div>
  );
}
