import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";

const atEndPx = 48;
const loadAheadPx = 600;

/**
 * How a chat scrolls: it stays at the newest message while one is there, stays where one reads while older ones are
 * put in above or newer ones below, and asks for older ones before one reaches the top.
 */
export function useChatScroll({
  firstKey,
  lastKey,
  followsAlways,
  canLoadMore,
  loadMore,
}: {
  firstKey: string | null;
  lastKey: string | null;
  /** The newest message has just been written here: go there from wherever one was reading. */
  followsAlways: boolean;
  canLoadMore: boolean;
  loadMore: () => void;
}) {
  const scrollRef = useRef<HTMLDivElement>(null);
  const contentRef = useRef<HTMLDivElement>(null);
  const topRef = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  const before = useRef<{ firstKey: string | null; lastKey: string | null; height: number }>({
    firstKey: null,
    lastKey: null,
    height: 0,
  });
  const [hasUnseen, setUnseen] = useState(false);

  const goToEnd = useCallback(() => {
    const scroller = scrollRef.current;
    if (scroller === null) return;
    isAtEnd.current = true;
    scroller.scrollTop = scroller.scrollHeight;
    setUnseen(false);
  }, []);

  useLayoutEffect(() => {
    const scroller = scrollRef.current;
    if (scroller === null) return;
    const { firstKey: oldFirst, lastKey: oldLast, height } = before.current;
    if (isAtEnd.current || (followsAlways && lastKey !== oldLast)) goToEnd();
    else {
      if (firstKey !== oldFirst) scroller.scrollTop += scroller.scrollHeight - height;
      if (lastKey !== oldLast && lastKey !== null) setUnseen(true);
    }
    before.current = { firstKey, lastKey, height: scroller.scrollHeight };
  }, [firstKey, lastKey, followsAlways, goToEnd]);

  useEffect(() => {
    const scroller = scrollRef.current;
    const content = contentRef.current;
    if (scroller === null || content === null) return;
    const onScroll = () => {
      isAtEnd.current = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < atEndPx;
      if (isAtEnd.current) setUnseen(false);
    };
    // The window, the composer or a picture changed the size: the end stays in view.
    const observer = new ResizeObserver(() => {
      if (isAtEnd.current) scroller.scrollTop = scroller.scrollHeight;
      before.current.height = scroller.scrollHeight;
    });
    scroller.addEventListener("scroll", onScroll, { passive: true });
    observer.observe(scroller);
    observer.observe(content);
    return () => {
      scroller.removeEventListener("scroll", onScroll);
      observer.disconnect();
    };
  }, []);

  const latestLoadMore = useRef(loadMore);
  useEffect(() => {
    latestLoadMore.current = loadMore;
  });
  useEffect(() => {
    const top = topRef.current;
    if (top === null || !canLoadMore) return;
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.some(({ isIntersecting }) => isIntersecting)) latestLoadMore.current();
      },
      { root: scrollRef.current, rootMargin: `${loadAheadPx}px 0px 0px 0px` },
    );
    observer.observe(top);
    return () => observer.disconnect();
  }, [canLoadMore]);

  return { scrollRef, contentRef, topRef, hasUnseen, goToEnd };
}
