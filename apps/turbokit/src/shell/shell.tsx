import { useAction, useMutation, useQuery } from "convex/react";
import { type ReactNode, useEffect, useRef } from "react";
import { api } from "@repo/backend/api";
import { session } from "../auth/session.ts";
import { useFeedback } from "../shared/feedback.tsx";
import { Avatar, Empty, Meter } from "../shared/parts.tsx";
import { Assistant } from "../views/assistant.tsx";
import { Files } from "../views/files.tsx";
import { Mail } from "../views/mail.tsx";
import { Plan } from "../views/plan.tsx";
import { Project } from "../views/project.tsx";
import { Projects } from "../views/projects.tsx";
import { Shared } from "../views/shared.tsx";
import { Workflows } from "../views/workflows.tsx";
import { ErrorBoundary } from "./errorBoundary.tsx";
import { Icon, type IconName } from "./icons.tsx";
import { useMe } from "./me.tsx";
import { follow, navigate, type Place, placeOf, usePath } from "./router.ts";
import { ThemeChoice } from "./theme.tsx";

interface Section {
  readonly view: Place["view"];
  readonly path: string;
  readonly name: string;
  readonly icon: IconName;
}

const sections: readonly Section[] = [
  { view: "projects", path: "/", name: "Projects", icon: "board" },
  { view: "shared", path: "/shared", name: "Shared", icon: "shared" },
  { view: "assistant", path: "/assistant", name: "Assistant", icon: "chat" },
  { view: "files", path: "/files", name: "Files", icon: "file" },
  { view: "mail", path: "/mail", name: "Mail", icon: "mail" },
  { view: "plan", path: "/plan", name: "Plan", icon: "card" },
];
const adminSection: Section = { view: "workflows", path: "/workflows", name: "Workflows", icon: "flow" };

/** Everything once one is in: the sections and the one that is open. */
export function Shell({ resumeOnboarding }: { resumeOnboarding: () => void }) {
  const me = useMe();
  const place = placeOf(usePath());
  useReturnFromCheckout();
  useVisits(place.view);
  const shown = me.role === "admin" ? [...sections, adminSection] : sections;
  const current = place.view === "project" ? "projects" : place.view;
  return (
    <div className="shell">
      <a className="skip" href="#content">
        Skip to the content
      </a>
      <aside>
        <a className="brand" href="/" onClick={follow}>
          <img src="/icon.svg" alt="" width="28" height="28" />
          TurboKit
        </a>
        <nav aria-label="Sections">
          {shown.map(({ view, path, name, icon }) => (
            <a key={view} href={path} onClick={follow} aria-current={view === current ? "page" : undefined}>
              <Icon name={icon} />
              <span>{name}</span>
            </a>
          ))}
        </nav>
        <div className="account">
          {!me.onboardingCompleted && (
            <button type="button" className="nudge" onClick={resumeOnboarding}>
              Finish setting up
            </button>
          )}
          <Credits />
          <div className="who">
            <Avatar name={me.name} image={me.imageUrl} />
            <p title={me.email}>
              <strong>{me.name}</strong>
              <span>{me.email}</span>
            </p>
            <button
              type="button"
              className="quiet square"
              aria-label="Sign out"
              title="Sign out"
              onClick={() => session.signOut()}
            >
              <Icon name="out" />
            </button>
          </div>
          <ThemeChoice />
        </div>
      </aside>
      <main id="content" tabIndex={-1} className={place.view}>
        <ErrorBoundary key={place.view === "project" ? place.id : place.view}>
          <Content place={place} />
        </ErrorBoundary>
      </main>
    </div>
  );
}

function Content({ place }: { place: Place }): ReactNode {
  const me = useMe();
  switch (place.view) {
    case "projects":
      return <Projects />;
    case "project":
      return <Project key={place.id} id={place.id ?? ""} />;
    case "shared":
      return <Shared />;
    case "assistant":
      return <Assistant threadId={place.id} />;
    case "files":
      return <Files />;
    case "mail":
      return <Mail />;
    case "plan":
      return <Plan />;
    case "workflows":
      return me.role === "admin" ? <Workflows openId={place.id} /> : <Missing />;
    case "missing":
      return <Missing />;
  }
}

export function Missing() {
  return (
    <Empty icon="search" title="There is nothing here">
      <p>
        <a href="/" onClick={follow}>
          Back to your projects
        </a>
      </p>
    </Empty>
  );
}

/** What is left, live, always in sight. */
function Credits() {
  const summary = useQuery(api.billing.summary, {});
  const { plan, credits = 0, creditsPerMonth = 1 } = summary ?? {};
  return (
    <a className="credits" href="/plan" onClick={follow}>
      <span>
        <strong>{summary === undefined ? "–" : credits.toLocaleString("en")}</strong> credits
        <span className="hidden">left</span>
        <span className="plan-name">{plan}</span>
      </span>
      <Meter label="Credits left" value={credits} max={creditsPerMonth} />
    </a>
  );
}

/** Back from the payment page: the new plan is asked for at once, its webhook may still be on its way. */
function useReturnFromCheckout(): void {
  const refresh = useAction(api.billing.refresh);
  const { say } = useFeedback();
  const isSeen = useRef(false);
  useEffect(() => {
    const outcome = new URLSearchParams(window.location.search).get("checkout");
    if (outcome === null || isSeen.current) return;
    isSeen.current = true;
    navigate("/plan", { replace: true });
    if (outcome !== "done") {
      say("Nothing was bought.");
      return;
    }
    say("Thank you! What you bought appears here in a moment.");
    refresh({}).catch(() => {});
  }, [refresh, say]);
}

function useVisits(view: Place["view"]): void {
  const track = useMutation(api.analytics.track);
  useEffect(() => {
    track({ event: "page_viewed", properties: { view } }).catch(() => {});
  }, [track, view]);
}
