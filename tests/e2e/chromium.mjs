// A browser for the checks. Needs Chromium (CHROMIUM says where).

import { join } from "node:path";
import { chromium } from "playwright-core";

const PHONE = { width: 390, height: 844 };
const DESK = { width: 1000, height: 800 };

export const launch = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync"],
  });

/** Pages of one visitor; what their scripts and their content security policy complain of is kept. */
export class Visitor {
  static async of(browser, options = {}) {
    const visitor = new Visitor();
    visitor.complaints = [];
    visitor.context = await browser.newContext({ locale: "en-US", viewport: DESK, ...options });
    return visitor;
  }

  async visit(url) {
    const page = await this.context.newPage();
    page.on("console", (message) => {
      if (/content security policy/i.test(message.text())) this.complaints.push(message.text());
    });
    page.on("pageerror", (error) => this.complaints.push(String(error)));
    await page.goto(url);
    return page;
  }
}

/** Pictures of a page in a folder: bright, dark, and on a phone. */
export async function shoot(page, folder, name) {
  if (!folder) return;
  const take = (kind) => page.screenshot({ path: join(folder, `${name}-${kind}.png`), fullPage: true });
  await take("light");
  await page.emulateMedia({ colorScheme: "dark" });
  await take("dark");
  await page.setViewportSize(PHONE);
  await take("phone-dark");
  await page.emulateMedia({ colorScheme: "light" });
  await take("phone");
  await page.setViewportSize(DESK);
}
