import type { UpgradeReason } from "./feedback.tsx";
import { Dialog } from "./dialog.tsx";
import { PlanCards } from "./planCards.tsx";

const titles = {
  credits: "You are out of credits",
  limit: "Your plan ends here",
  choice: "Choose a plan",
} as const;

/** What would help, and where to buy it. */
export function UpgradeDialog({ reason, close }: { reason: UpgradeReason; close: () => void }) {
  return (
    <Dialog title={titles[reason.kind]} close={close} isWide>
      {reason.kind === "credits" && (
        <p>
          This takes {reason.required} credits, and you have {reason.available}. A larger plan or a pack of
          credits is in effect as soon as it is paid.
        </p>
      )}
      {reason.kind === "limit" && <p>{reason.text}</p>}
      <PlanCards isOffer />
    </Dialog>
  );
}
