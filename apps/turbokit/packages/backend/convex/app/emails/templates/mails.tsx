import { Layout, Paragraph } from "./layout.tsx";

/** To somebody new. */
export function WelcomeEmail({ name, url }: { readonly name: string; readonly url: string }) {
  return (
    <Layout
      preview="Your account is ready."
      title={`Welcome to TurboKit, ${name}!`}
      action={{ label: "Open your projects", url }}
    >
      <Paragraph>
        Your account is ready, and there are credits on it to try the assistant with. We have put a first
        project on your board: change it, or throw it away.
      </Paragraph>
    </Layout>
  );
}

/** To somebody who has not filled in their profile. */
export function ProfileReminderEmail({ name, url }: { readonly name: string; readonly url: string }) {
  return (
    <Layout
      preview="It takes a minute."
      title="Finish your profile"
      action={{ label: "Go to your profile", url }}
    >
      <Paragraph>
        Hello {name}, your profile is not finished yet. It takes a minute, and others then see who comments on
        their projects.
      </Paragraph>
    </Layout>
  );
}

/** To somebody who has. */
export function OnboardingDoneEmail({ name, url }: { readonly name: string; readonly url: string }) {
  return (
    <Layout preview="All done." title="You are all set" action={{ label: "Ask the assistant", url }}>
      <Paragraph>
        Thank you, {name}: your profile is finished. Ask the assistant about your projects, it knows them.
      </Paragraph>
    </Layout>
  );
}

/** What happened since yesterday. */
export function DigestEmail(props: {
  readonly name: string;
  readonly url: string;
  readonly projects: readonly { readonly name: string; readonly comments: number }[];
}) {
  const { name, url, projects } = props;
  return (
    <Layout
      preview={`${projects.length} of your projects have new comments.`}
      title="Since yesterday"
      action={{ label: "Open your board", url }}
    >
      <Paragraph>Hello {name}, this is new in your projects:</Paragraph>
      {projects.map((project, at) => (
        <Paragraph key={at}>
          <strong>{project.name}</strong>: {project.comments} new{" "}
          {project.comments === 1 ? "comment" : "comments"}
        </Paragraph>
      ))}
    </Layout>
  );
}
