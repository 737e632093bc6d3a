import { Body } from "@react-email/body";
import { Button } from "@react-email/button";
import { Container } from "@react-email/container";
import { Head } from "@react-email/head";
import { Heading } from "@react-email/heading";
import { Hr } from "@react-email/hr";
import { Html } from "@react-email/html";
import { Preview } from "@react-email/preview";
import { Text } from "@react-email/text";
import type { ReactNode } from "react";

const fonts = "-apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif";

/** What all mails look like. Colors that stay readable where a mail program turns light into dark. */
export function Layout(props: {
  readonly preview: string;
  readonly title: string;
  readonly action?: { readonly label: string; readonly url: string };
  readonly children: ReactNode;
}) {
  const { preview, title, action, children } = props;
  return (
    <Html lang="en">
      <Head />
      <Preview>{preview}</Preview>
      <Body style={{ backgroundColor: "#f4f4f7", fontFamily: fonts, margin: 0, padding: "24px 12px" }}>
        <Container style={{ backgroundColor: "#ffffff", borderRadius: 8, maxWidth: 560, padding: 32 }}>
          <Heading style={{ color: "#1c1b22", fontSize: 22, margin: "0 0 16px" }}>{title}</Heading>
          {children}
          {action === undefined ? null : (
            <Button
              href={action.url}
              style={{
                backgroundColor: "#4338ca",
                borderRadius: 6,
                color: "#ffffff",
                fontSize: 16,
                marginTop: 8,
                padding: "12px 20px",
              }}
            >
              {action.label}
            </Button>
          )}
          <Hr style={{ borderColor: "#e4e4e7", margin: "32px 0 16px" }} />
          <Text style={{ color: "#6b6b76", fontSize: 13, margin: 0 }}>
            TurboKit. You get this mail because you have an account with us.
          </Text>
        </Container>
      </Body>
    </Html>
  );
}

/** A paragraph. */
export function Paragraph({ children }: { readonly children: ReactNode }) {
  return <Text style={{ color: "#33323a", fontSize: 16, lineHeight: "24px" }}>{children}</Text>;
}
