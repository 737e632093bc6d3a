import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";

const atEndPx = 48;
const loadAheadPx = 600;

/** More messages on one side of those that are loaded. */
export interface More {
  readonly canLoad: boolean;
  readonly load: () => void;
}

/**
 * How a chat scrolls: it stays at the newest message while one is there, stays where one reads while older ones are
 * put in above or newer ones below, and asks for more before one reaches an end of what is loaded. With a target it
 * begins there instead of at the newest message.
 */
export function useChatScroll({
  firstKey,
  lastKey,
  targetKey,
  followsAlways,
  older,
  newer,
}: {
  firstKey: string | null;
  lastKey: string | null;
  /** The message to begin at, once it is among those loaded. */
  targetKey: string | null;
  /** The newest message has just been written here: go there from wherever one was reading. */
  followsAlways: boolean;
  older: More;
  newer: More;
}) {
  const scrollRef = useRef<HTMLDivElement>(null);
  const contentRef = useRef<HTMLDivElement>(null);
  const topRef = useRef<HTMLDivElement>(null);
  const bottomRef = useRef<HTMLDivElement>(null);
  const sticksToEnd = useRef(targetKey === null);
  const shownTarget = useRef<string | null>(null);
  const before = useRef<{ firstKey: string | null; lastKey: string | null; height: number }>({
    firstKey: null,
    lastKey: null,
    height: 0,
  });
  const [isAtEnd, setAtEnd] = useState(targetKey === null);
  const [hasUnseen, setUnseen] = useState(false);
  const hasNewer = newer.canLoad;

  const goToEnd = useCallback(() => {
    const scroller = scrollRef.current;
    if (scroller === null) return;
    sticksToEnd.current = true;
    scroller.scrollTop = scroller.scrollHeight;
    setUnseen(false);
    setAtEnd(true);
  }, []);

  useLayoutEffect(() => {
    const scroller = scrollRef.current;
    if (scroller === null) return;
    const { firstKey: oldFirst, lastKey: oldLast, height } = before.current;
    const target =
      targetKey === null || shownTarget.current === targetKey
        ? null
        : scroller.querySelector(`[data-message="${CSS.escape(targetKey)}"]`);
    if (target !== null) {
      shownTarget.current = targetKey;
      sticksToEnd.current = false;
      target.scrollIntoView({ block: "center" });
    } else if (sticksToEnd.current || (followsAlways && lastKey !== oldLast)) goToEnd();
    else {
      if (firstKey !== oldFirst) scroller.scrollTop += scroller.scrollHeight - height;
      else if (lastKey !== oldLast && lastKey !== null && oldLast !== null && !hasNewer) setUnseen(true);
    }
    before.current = { firstKey, lastKey, height: scroller.scrollHeight };
  }, [firstKey, lastKey, targetKey, followsAlways, hasNewer, goToEnd]);

  useEffect(() => {
    const scroller = scrollRef.current;
    const content = contentRef.current;
    if (scroller === null || content === null) return;
    const onScroll = () => {
      const isNear = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < atEndPx;
      sticksToEnd.current = isNear && !hasNewer;
      setAtEnd(sticksToEnd.current);
      if (sticksToEnd.current) setUnseen(false);
    };
    // The window, the composer or a picture changed the size: the end stays in view.
    const observer = new ResizeObserver(() => {
      if (sticksToEnd.current) scroller.scrollTop = scroller.scrollHeight;
      before.current.height = scroller.scrollHeight;
    });
    scroller.addEventListener("scroll", onScroll, { passive: true });
    observer.observe(scroller);
    observer.observe(content);
    return () => {
      scroller.removeEventListener("scroll", onScroll);
      observer.disconnect();
    };
  }, [hasNewer]);

  useLoadWhenNear(topRef, scrollRef, older);
  useLoadWhenNear(bottomRef, scrollRef, newer);

  return { scrollRef, contentRef, topRef, bottomRef, isAtEnd, hasUnseen, goToEnd };
}

function useLoadWhenNear(
  edgeRef: RefObject<HTMLDivElement | null>,
  scrollRef: RefObject<HTMLDivElement | null>,
  { canLoad, load }: More,
): void {
  const latestLoad = useRef(load);
  useEffect(() => {
    latestLoad.current = load;
  });
  useEffect(() => {
    const edge = edgeRef.current;
    if (edge === null || !canLoad) return;
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.some(({ isIntersecting }) => isIntersecting)) latestLoad.current();
      },
      { root: scrollRef.current, rootMargin: `${loadAheadPx}px 0px ${loadAheadPx}px 0px` },
    );
    observer.observe(edge);
    return () => observer.disconnect();
  }, [canLoad, edgeRef, scrollRef]);
}
