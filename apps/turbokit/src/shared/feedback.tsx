import { ConvexError } from "convex/values";
import { createContext, type ReactNode, useCallback, useContext, useMemo, useRef, useState } from "react";
import type { BackendError } from "@repo/backend/types";
import { UpgradeDialog } from "./upgradeDialog.tsx";

/** Why somebody is asked to upgrade. */
export type UpgradeReason =
  | { readonly kind: "credits"; readonly required: number; readonly available: number }
  | { readonly kind: "limit"; readonly text: string }
  | { readonly kind: "choice" };

interface Feedback {
  /** Says something that needs no answer; with `undo` it can be taken back for a while. */
  readonly say: (text: string, undo?: () => Promise<unknown>) => void;
  readonly offerUpgrade: (reason: UpgradeReason) => void;
}

interface Said {
  readonly id: number;
  readonly text: string;
  readonly takeBack?: () => void;
}

const FeedbackContext = createContext<Feedback>({ say: () => {}, offerUpgrade: () => {} });
const shownMs = 5_000;
const undoMs = 12_000;

export function useFeedback(): Feedback {
  return useContext(FeedbackContext);
}

export function FeedbackProvider({ children }: { children: ReactNode }) {
  const [said, setSaid] = useState<readonly Said[]>([]);
  const [reason, setReason] = useState<UpgradeReason | null>(null);
  const nextId = useRef(1);
  const feedback = useMemo<Feedback>(
    () => ({
      say: (text, undo) => {
        const id = nextId.current++;
        const forget = () => setSaid((before) => before.filter((each) => each.id !== id));
        const takeBack = () => {
          forget();
          undo?.().catch((error: unknown) => feedback.say(failureText(error)));
        };
        const more = undo === undefined ? {} : { takeBack };
        setSaid((before) => [...before.slice(-2), { id, text, ...more }]);
        setTimeout(forget, undo === undefined ? shownMs : undoMs);
      },
      offerUpgrade: setReason,
    }),
    [],
  );
  return (
    <FeedbackContext value={feedback}>
      {children}
      {reason !== null && <UpgradeDialog reason={reason} close={() => setReason(null)} />}
      <div className="toasts" role="status">
        {said.map(({ id, text, takeBack }) => (
          <p key={id} className="toast">
            {text}
            {takeBack !== undefined && (
              <button type="button" onClick={takeBack}>
                Undo
              </button>
            )}
          </p>
        ))}
      </div>
    </FeedbackContext>
  );
}

/** The part of an expected error that is meant for the page; null for anything else. */
export function backendErrorOf(error: unknown): BackendError | null {
  if (!(error instanceof ConvexError)) return null;
  const data: unknown = error.data;
  return typeof data === "object" && data !== null && "code" in data ? (data as BackendError) : null;
}

function failureText(error: unknown): string {
  const expected = backendErrorOf(error);
  if (expected === null) return "That did not work. Please try again in a moment.";
  if (expected.code === "RATE_LIMITED" && typeof expected["retryAfter"] === "number")
    return `That was a little fast. Try again in ${Math.max(1, Math.ceil(expected["retryAfter"] / 1000))} s.`;
  return expected.message;
}

/**
 * Runs things that may fail, one at a time. What went wrong is in `failure`, to be shown where it was asked for; what
 * only a better plan helps against opens the upgrade dialog instead.
 */
export function useAttempt() {
  const { offerUpgrade } = useFeedback();
  const [failure, setFailure] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const isRunning = useRef(false);
  const run = useCallback(
    async (work: () => Promise<unknown>): Promise<boolean> => {
      if (isRunning.current) return false;
      isRunning.current = true;
      setBusy(true);
      setFailure(null);
      try {
        await work();
        return true;
      } catch (error) {
        const reason = upgradeReasonOf(backendErrorOf(error));
        if (reason === null) setFailure(failureText(error));
        else offerUpgrade(reason);
        return false;
      } finally {
        isRunning.current = false;
        setBusy(false);
      }
    },
    [offerUpgrade],
  );
  return { run, failure, isBusy, setFailure };
}

function upgradeReasonOf(error: BackendError | null): UpgradeReason | null {
  if (error?.code === "INSUFFICIENT_CREDITS")
    return { kind: "credits", required: Number(error["required"]), available: Number(error["available"]) };
  if (error?.code === "PLAN_LIMIT") return { kind: "limit", text: error.message };
  return null;
}

export function Failure({ text }: { text: string | null }) {
  // Always there, so that what appears in it is read out.
  return (
    <p className="failure" role="alert" hidden={text === null}>
      {text}
    </p>
  );
}
