//! Paying for an order that was placed here: its one PaymentIntent, the page and the calls of the browser that pays,
//! capture, cancellation and refunds.
