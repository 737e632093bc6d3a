import { useAction, usePaginatedQuery, useQuery } from "convex/react";
import { api } from "@repo/backend/api";
import { Failure, useAttempt } from "../shared/feedback.tsx";
import { More } from "../shared/more.tsx";
import { Heading, Loading, Meter, When } from "../shared/parts.tsx";
import { PlanCards } from "../shared/planCards.tsx";
import { sentence } from "./onboarding.tsx";

/** What one has, what one has used, what else there is. */
export function Plan() {
  const summary = useQuery(api.billing.summary, {});
  return (
    <>
      <Heading title="Plan and usage" />
      {summary === undefined ? (
        <Loading rows={1} height={120} />
      ) : (
        <ul className="figures">
          <li>
            <p className="muted">Credits left</p>
            <p className="figure">{summary.credits.toLocaleString("en")}</p>
            <Meter label="Credits left" value={summary.credits} max={summary.creditsPerMonth} />
          </li>
          <li>
            <p className="muted">Used this month</p>
            <p className="figure">{summary.usedThisMonth.toLocaleString("en")}</p>
            <p className="muted">of {summary.creditsPerMonth.toLocaleString("en")} that come each month</p>
          </li>
          <li>
            <p className="muted">Projects</p>
            <p className="figure">{summary.projects}</p>
            <p className="muted">of {summary.projectsMax} on your plan</p>
          </li>
        </ul>
      )}
      <section aria-label="Plans">
        <h2>Plans</h2>
        <PlanCards />
        {summary !== undefined && summary.plan !== "free" && <Portal />}
      </section>
      <Ledger />
    </>
  );
}

function Portal() {
  const portal = useAction(api.billing.portal);
  const { run, failure, isBusy } = useAttempt();
  return (
    <>
      <button
        type="button"
        className="quiet"
        disabled={isBusy}
        onClick={() => void run(async () => window.location.assign((await portal({})).url))}
      >
        Invoices and payment methods
      </button>
      <Failure text={failure} />
    </>
  );
}

/** Where credits came from and went. */
function Ledger() {
  const page = usePaginatedQuery(api.billing.ledger, {}, { initialNumItems: 10 });
  return (
    <section aria-label="Credits">
      <h2>Credits</h2>
      {page.status === "LoadingFirstPage" && <Loading rows={3} height={40} />}
      {page.status === "Exhausted" && page.results.length === 0 && (
        <p className="muted">Nothing was used or bought yet.</p>
      )}
      {page.results.length > 0 && (
        <table>
          <thead>
            <tr>
              <th scope="col">What</th>
              <th scope="col">When</th>
              <th scope="col" className="number">
                Credits
              </th>
              <th scope="col" className="number">
                Left
              </th>
            </tr>
          </thead>
          <tbody>
            {page.results.map(({ _id, delta, balance, reason, createdAt }) => (
              <tr key={_id}>
                <td>{sentence(reason)}</td>
                <td>
                  <When at={createdAt} />
                </td>
                <td className={delta > 0 ? "number plus" : "number"}>
                  {delta > 0
                    ? `+${delta.toLocaleString("en")}`
                    : delta.toLocaleString("en").replace("-", "−")}
                </td>
                <td className="number">{balance.toLocaleString("en")}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <More page={page} count={20} />
    </section>
  );
}
