import { useAction, useMutation, useQuery } from "convex/react";
import { useState } from "react";
import { api } from "@repo/backend/api";
import { Dialog } from "./dialog.tsx";
import { Failure, useAttempt, useFeedback } from "./feedback.tsx";
import { bytes, dollars, Loading } from "./parts.tsx";

/** The plans side by side, and credits to buy once. `isOffer`: only what is more than one has. */
export function PlanCards({ isOffer = false }: { isOffer?: boolean }) {
  const plans = useQuery(api.billing.plans, {});
  const packs = useQuery(api.billing.packs, {});
  const summary = useQuery(api.billing.summary, {});
  const checkout = useAction(api.billing.checkout);
  const buyCredits = useAction(api.billing.buyCredits);
  const cancelPlan = useAction(api.billing.cancelPlan);
  const track = useMutation(api.analytics.track);
  const { run, failure, isBusy } = useAttempt();
  const [isLeaving, setLeaving] = useState(false);
  const { say } = useFeedback();
  if (plans === undefined || packs === undefined || summary === undefined)
    return <Loading rows={1} height={220} />;
  const leave = (url: string | null) => {
    if (url === null) say("Your plan has changed.");
    else window.location.assign(url);
  };
  const current = plans.findIndex(({ plan }) => plan === summary.plan);
  return (
    <>
      <ul className="plans">
        {plans.map(
          ({ plan, name, pricePerMonth, creditsPerMonth, projectsMax, uploadBytesMax }, position) => (
            <li
              key={plan}
              className={position === current ? "current" : undefined}
              hidden={isOffer && position <= current}
            >
              <h3>{name}</h3>
              <p className="price">
                <strong>{dollars(pricePerMonth)}</strong> per month
              </p>
              <ul>
                <li>{creditsPerMonth.toLocaleString("en")} credits each month</li>
                <li>{projectsMax} projects</li>
                <li>Files up to {bytes(uploadBytesMax)}</li>
              </ul>
              {position === current ? (
                <p className="yours">Your plan</p>
              ) : plan === "free" ? (
                <button type="button" disabled={isBusy} onClick={() => setLeaving(true)}>
                  Back to {name}
                </button>
              ) : (
                <button
                  type="button"
                  className={position > current ? "primary" : undefined}
                  disabled={isBusy}
                  onClick={() =>
                    void run(async () => {
                      track({ event: "upgrade_clicked", properties: { plan } }).catch(() => {});
                      leave((await checkout({ plan })).url);
                    })
                  }
                >
                  {position > current ? "Upgrade to" : "Change to"} {name}
                </button>
              )}
            </li>
          ),
        )}
      </ul>
      <ul className="packs" aria-label="Credits to buy once">
        {packs.map(({ pack, credits, price }) => (
          <li key={pack}>
            <button
              type="button"
              disabled={isBusy}
              onClick={() => void run(async () => leave((await buyCredits({ pack })).url))}
            >
              <strong>{credits.toLocaleString("en")} credits</strong> once, for {dollars(price)}
            </button>
          </li>
        ))}
      </ul>
      <Failure text={failure} />
      {isLeaving && (
        <Dialog title={`End ${plans[current]?.name}?`} close={() => setLeaving(false)}>
          <p>
            It ends at once. The credits that you have stay yours, your projects and files too; new ones have
            the limits of the free plan.
          </p>
          <div className="actions">
            <button
              type="button"
              className="danger"
              disabled={isBusy}
              onClick={() => {
                setLeaving(false);
                void run(async () => {
                  await cancelPlan({});
                  say("You are on the free plan.");
                });
              }}
            >
              End {plans[current]?.name}
            </button>
            <button type="button" className="quiet" onClick={() => setLeaving(false)}>
              Keep it
            </button>
          </div>
        </Dialog>
      )}
    </>
  );
}
