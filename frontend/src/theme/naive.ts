import type { GlobalThemeOverrides } from "naive-ui";
import { fontFamily, tokens, type ThemeName } from "./tokens";

/** Naive UI's own colours fall short of the contrast asked for; these take their place. */
export function naiveOverrides(theme: ThemeName, coarse: boolean, phone: boolean): GlobalThemeOverrides {
  const c = tokens[theme];
  const height = coarse ? "44px" : "36px";
  return {
    common: {
      primaryColor: c.accent,
      primaryColorHover: c.accentHover,
      primaryColorPressed: c.accentHover,
      primaryColorSuppl: c.accent,
      textColorBase: c.text,
      textColor1: c.text,
      textColor2: c.text,
      textColor3: c.text2,
      placeholderColor: c.text3,
      borderColor: c.field,
      dividerColor: c.line,
      bodyColor: c.bg,
      cardColor: c.surface,
      modalColor: c.surface,
      popoverColor: c.surface,
      tableColor: c.surface,
      inputColor: c.surface,
      actionColor: c.raised,
      tableHeaderColor: c.raised,
      hoverColor: c.raised,
      successColor: c.online,
      warningColor: c.stale,
      errorColor: c.fault,
      infoColor: c.accent,
      iconColor: c.text3,
      clearColor: c.text3,
      clearColorHover: c.text2,
      borderRadius: "4px",
      fontSize: "14px",
      heightMedium: height,
      fontFamily,
    },
    Button: {
      textColorPrimary: c.onAccent,
      textColorHoverPrimary: c.onAccent,
      textColorPressedPrimary: c.onAccent,
      textColorFocusPrimary: c.onAccent,
      textColorDisabledPrimary: c.onAccent,
      color: c.surface,
      border: `1px solid ${c.field}`,
    },
    Input: {
      color: c.surface,
      colorFocus: c.surface,
      textColor: c.text,
      border: `1px solid ${c.field}`,
      borderHover: `1px solid ${c.accent}`,
      borderFocus: `1px solid ${c.accent}`,
      fontSizeMedium: phone ? "16px" : "14px",
      boxShadowFocus: `0 0 0 1px ${c.accent}`,
    },
  };
}
