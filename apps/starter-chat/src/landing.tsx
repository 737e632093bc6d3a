import type { ReactNode } from "react";
import { Brand } from "./brand.tsx";
import { AssistantIcon, ShareIcon, SyncIcon } from "./icons.tsx";

/**
 * What somebody sees who is not signed in: what this is, and beside it the way in. Astro renders it into the page
 * with an empty card; the island puts the form there.
 */
export function Landing({ children }: { children?: ReactNode }) {
  return (
    <main className="landing">
      <section className="pitch" aria-labelledby="pitch-title">
        <Brand />
        <p className="pitch-title" id="pitch-title">
          Think together, live.
        </p>
        <p className="pitch-text">
          A chat for people and an assistant. Every word arrives as it is written, in every open window.
        </p>
        <Scene />
        <ul className="pitch-points">
          <li>
            <ShareIcon />
            <span>Share a chat with a person, or with anyone by a link that ends when you say.</span>
          </li>
          <li>
            <AssistantIcon />
            <span>
              Ask the assistant in the middle of a conversation, with the model and rules you choose.
            </span>
          </li>
          <li>
            <SyncIcon />
            <span>A bad connection loses nothing: what you write waits, and is sent once.</span>
          </li>
        </ul>
      </section>
      <div className="way-in">{children ?? <div className="card card-outline" aria-hidden="true" />}</div>
    </main>
  );
}

/** A few lines of a chat, as a picture. */
function Scene() {
  return (
    <div className="scene" aria-hidden="true">
      <p className="scene-line">
        <span className="scene-face" style={{ background: "light-dark(#f3d9c8, #5b4234)" }}>
          AL
        </span>
        <span className="scene-bubble">Which launch date survives a week of bad weather?</span>
      </p>
      <p className="scene-line own">
        <span className="scene-bubble">Let us ask. Here is the forecast.</span>
      </p>
      <p className="scene-line">
        <span className="scene-face assistant">
          <AssistantIcon />
        </span>
        <span className="scene-bubble">
          The 14th: three clear days on either side
          <span className="caret" />
        </span>
      </p>
    </div>
  );
}
