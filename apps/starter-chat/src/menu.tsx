import {
  type KeyboardEvent,
  type ReactNode,
  useEffect,
  useId,
  useLayoutEffect,
  useRef,
  useState,
} from "react";

export interface MenuItem {
  readonly label: string;
  readonly isDangerous?: boolean;
  readonly onSelect: () => void;
}

const menuGapPx = 8;

/** A button that opens a menu. Arrow keys, Home, End and Escape work as in every menu. */
export function Menu({
  label,
  items,
  children,
  className = "icon-button",
  align = "end",
  direction = "down",
}: {
  label: string;
  items: readonly MenuItem[];
  children: ReactNode;
  className?: string;
  align?: "start" | "end";
  direction?: "up" | "down";
}) {
  const [isOpen, setOpen] = useState(false);
  const rootRef = useRef<HTMLDivElement>(null);
  const buttonRef = useRef<HTMLButtonElement>(null);
  const listRef = useRef<HTMLDivElement>(null);
  const menuId = useId();
  const [opens, setOpens] = useState(direction);
  const [side, setSide] = useState(align);

  useEffect(() => {
    if (!isOpen) return;
    listRef.current?.querySelector<HTMLElement>("[role=menuitem]")?.focus({ preventScroll: true });
    const closeOutside = (event: PointerEvent) => {
      if (event.target instanceof Node && rootRef.current?.contains(event.target) !== true) setOpen(false);
    };
    document.addEventListener("pointerdown", closeOutside);
    return () => document.removeEventListener("pointerdown", closeOutside);
  }, [isOpen]);

  useLayoutEffect(() => {
    const list = listRef.current;
    const button = buttonRef.current;
    if (list === null || button === null) return;
    // Where there is no room below, the menu goes up, rather than making what scrolls around it longer.
    const frame =
      button.closest(".messages")?.getBoundingClientRect() ?? document.body.getBoundingClientRect();
    const { top, bottom, left, right } = button.getBoundingClientRect();
    const needed = list.offsetHeight + menuGapPx;
    const fitsBelow = bottom + needed <= frame.bottom;
    const fitsAbove = top - needed >= frame.top;
    setOpens(direction === "down" ? (fitsBelow || !fitsAbove ? "down" : "up") : fitsAbove ? "up" : "down");
    const fitsToLeft = right - list.offsetWidth >= frame.left + menuGapPx;
    const fitsToRight = left + list.offsetWidth <= frame.right - menuGapPx;
    setSide(align === "end" ? (fitsToLeft || !fitsToRight ? "end" : "start") : fitsToRight ? "start" : "end");
  }, [isOpen, direction, align]);

  const close = () => {
    setOpen(false);
    buttonRef.current?.focus({ preventScroll: true });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const entries = [...(listRef.current?.querySelectorAll<HTMLElement>("[role=menuitem]") ?? [])];
    const at = entries.findIndex((entry) => entry === document.activeElement);
    const go = (to: number) => {
      event.preventDefault();
      entries[(to + entries.length) % entries.length]?.focus();
    };
    if (event.key === "Escape") {
      event.stopPropagation();
      close();
    } else if (event.key === "Tab") setOpen(false);
    else if (event.key === "ArrowDown") go(at + 1);
    else if (event.key === "ArrowUp") go(at - 1);
    else if (event.key === "Home") go(0);
    else if (event.key === "End") go(-1);
  };

  return (
    <div className={`menu-root${isOpen ? " open" : ""}`} ref={rootRef}>
      <button
        ref={buttonRef}
        type="button"
        className={className}
        aria-label={label}
        aria-haspopup="menu"
        aria-expanded={isOpen}
        aria-controls={isOpen ? menuId : undefined}
        onClick={() => setOpen(!isOpen)}
      >
        {children}
      </button>
      {isOpen && (
        <div
          ref={listRef}
          id={menuId}
          className={`menu ${side} ${opens}`}
          role="menu"
          aria-label={label}
          onKeyDown={onKeyDown}
        >
          {items.map((item) => (
            <button
              key={item.label}
              type="button"
              role="menuitem"
              tabIndex={-1}
              className={item.isDangerous === true ? "menu-item dangerous" : "menu-item"}
              onClick={() => {
                close();
                item.onSelect();
              }}
            >
              {item.label}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}
