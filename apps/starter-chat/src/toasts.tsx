import { createContext, type ReactNode, useCallback, useContext, useMemo, useState } from "react";
import { failureText } from "./failures.ts";

type ShowToast = (text: string, kind?: "info" | "error") => void;

interface Toast {
  readonly key: number;
  readonly text: string;
  readonly kind: "info" | "error";
}

const ToastContext = createContext<ShowToast>(() => {});
const toastMs = 5000;
const toastsMax = 3;
let lastKey = 0;

export function useToast(): ShowToast {
  return useContext(ToastContext);
}

/** Runs something whose failure the person should see, and nothing else. */
export function useAttempt(): (work: () => Promise<unknown>) => void {
  const show = useToast();
  return useCallback(
    (work) => {
      work().catch((error: unknown) => show(failureText(error), "error"));
    },
    [show],
  );
}

export function ToastProvider({ children }: { children: ReactNode }) {
  const [toasts, setToasts] = useState<readonly Toast[]>([]);
  const show = useCallback<ShowToast>((text, kind = "info") => {
    const key = ++lastKey;
    setToasts((shown) => [...shown, { key, text, kind }].slice(-toastsMax));
    setTimeout(() => setToasts((shown) => shown.filter((toast) => toast.key !== key)), toastMs);
  }, []);
  const value = useMemo(() => show, [show]);
  return (
    <ToastContext value={value}>
      {children}
      <div className="toasts" aria-live="polite">
        {toasts.map(({ key, text, kind }) => (
          <div key={key} className={`toast ${kind}`} role={kind === "error" ? "alert" : "status"}>
            {text}
          </div>
        ))}
      </div>
    </ToastContext>
  );
}
