//! What a call costs on AWS: measured units times a dated price list.

use serde::Serialize;

/// AWS's prices in dollars, without free tiers and volume discounts.
///
/// us-east-1, on demand, as of 2026-11:
/// - <https://aws.amazon.com/lambda/pricing/> (arm64; Function URLs cost nothing)
/// - <https://aws.amazon.com/dynamodb/pricing/on-demand/>
/// - <https://aws.amazon.com/api-gateway/pricing/> (HTTP APIs, 512 KB steps; WebSocket
///   APIs, messages of both directions in 32 KB steps)
/// - <https://aws.amazon.com/sqs/pricing/> (standard queues, 64 KB steps)
/// - <https://aws.amazon.com/cloudwatch/pricing/> (logs, standard class)
/// - <https://aws.amazon.com/ec2/pricing/on-demand/> (data transfer out)
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Prices {
    /// Region and date.
    pub as_of: &'static str,
    /// A million Lambda requests.
    pub lambda_requests: f64,
    /// A GB-second.
    pub lambda_gb_second: f64,
    /// A million HTTP API requests.
    pub http_api_requests: f64,
    /// A million messages of a WebSocket API.
    pub messages: f64,
    /// A million minutes of a connection to it.
    pub connection_minutes: f64,
    /// A million SQS requests.
    pub queue_requests: f64,
    /// A million write request units.
    pub write_units: f64,
    /// A million read request units.
    pub read_units: f64,
    /// A GB-month in a table.
    pub table_gb_month: f64,
    /// A GB-month of point-in-time recovery.
    pub recovery_gb_month: f64,
    /// A GB of logs taken in.
    pub log_gb: f64,
    /// A GB sent to the internet.
    pub transfer_gb: f64,
}

/// The list that reports are made with.
pub const PRICES: Prices = Prices {
    as_of: "us-east-1, 2026-11",
    lambda_requests: 0.20,
    lambda_gb_second: 0.000_013_333_4,
    http_api_requests: 1.00,
    messages: 1.00,
    connection_minutes: 0.25,
    queue_requests: 0.40,
    write_units: 0.625,
    read_units: 0.125,
    table_gb_month: 0.25,
    recovery_gb_month: 0.20,
    log_gb: 0.50,
    transfer_gb: 0.09,
};

/// What a DynamoDB request is taken to last on AWS, beyond what the store on
/// loopback lets one measure. Lambda bills the waiting.
pub const DYNAMODB_MS: f64 = 5.0;
/// The same for a frame posted to a connection, or a message sent to a queue.
pub const POST_MS: f64 = 10.0;
/// A message of a queue is sent, received and deleted. What Lambda asks an empty queue
/// costs the same with and without calls, and is not in here.
pub const REQUESTS_A_MESSAGE: f64 = 3.0;
/// A line of the HTTP API's access log, bytes.
const ACCESS_LOG_BYTES: f64 = 200.0;
/// An item of one write unit is at most this large, its index entry included, bytes.
const ITEM_BYTES: f64 = 1024.0 + 100.0;

/// What something uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Lambda requests.
    pub requests: f64,
    /// Those of them that came through the HTTP API.
    pub http_api_requests: f64,
    /// Frames in both directions. None here has more than the 32 KB of one message.
    pub messages: f64,
    /// Minutes of connections.
    pub connection_minutes: f64,
    /// SQS requests.
    pub queue_requests: f64,
    /// Memory times billed time.
    pub gb_seconds: f64,
    /// DynamoDB write request units.
    pub write_units: f64,
    /// DynamoDB read request units.
    pub read_units: f64,
    /// Items kept, times months.
    pub item_months: f64,
    /// Bytes of log lines.
    pub log_bytes: f64,
    /// Bytes of response bodies.
    pub answer_bytes: f64,
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.requests += other.requests;
        self.http_api_requests += other.http_api_requests;
        self.messages += other.messages;
        self.connection_minutes += other.connection_minutes;
        self.queue_requests += other.queue_requests;
        self.gb_seconds += other.gb_seconds;
        self.write_units += other.write_units;
        self.read_units += other.read_units;
        self.item_months += other.item_months;
        self.log_bytes += other.log_bytes;
        self.answer_bytes += other.answer_bytes;
    }
}

/// Memory times time, in GB-seconds as Lambda counts them.
pub fn gb_seconds(memory_mb: u64, milliseconds: f64) -> f64 {
    memory_mb as f64 / 1024.0 * milliseconds / 1000.0
}

/// Dollars for a million times the usage.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bill {
    /// Lambda requests.
    pub requests: f64,
    /// HTTP API requests.
    pub http_api: f64,
    /// WebSocket messages.
    pub messages: f64,
    /// WebSocket connections.
    pub connections: f64,
    /// SQS.
    pub queue: f64,
    /// Lambda's GB-seconds.
    pub compute: f64,
    /// DynamoDB writes.
    pub writes: f64,
    /// DynamoDB reads.
    pub reads: f64,
    /// Log ingestion.
    pub logs: f64,
    /// Storage of the records, with point-in-time recovery.
    pub storage: f64,
    /// Bodies of answers.
    pub transfer: f64,
}

impl Bill {
    /// Makes the bill. A byte a million times is a thousandth of a GB.
    pub fn new(prices: &Prices, usage: &Usage) -> Self {
        let gb = |bytes: f64| bytes * 1e6 / 1e9;
        let stored = prices.table_gb_month + prices.recovery_gb_month;
        Self {
            requests: usage.requests * prices.lambda_requests,
            http_api: usage.http_api_requests * prices.http_api_requests,
            messages: usage.messages * prices.messages,
            connections: usage.connection_minutes * prices.connection_minutes,
            queue: usage.queue_requests * prices.queue_requests,
            compute: usage.gb_seconds * 1e6 * prices.lambda_gb_second,
            writes: usage.write_units * prices.write_units,
            reads: usage.read_units * prices.read_units,
            logs: gb(usage.log_bytes + usage.http_api_requests * ACCESS_LOG_BYTES) * prices.log_gb,
            storage: gb(ITEM_BYTES) * usage.item_months * stored,
            transfer: gb(usage.answer_bytes) * prices.transfer_gb,
        }
    }

    /// What it takes to answer: requests, messages, compute, writes and reads.
    pub fn answering(&self) -> f64 {
        let gateway = self.http_api + self.messages + self.connections;
        self.requests + gateway + self.queue + self.compute + self.writes + self.reads
    }

    /// The same and log ingestion.
    pub fn with_logs(&self) -> f64 {
        self.answering() + self.logs
    }

    /// All of it.
    pub fn everything(&self) -> f64 {
        self.with_logs() + self.storage + self.transfer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(left: f64, right: f64) -> bool {
        (left - right).abs() < 1e-9
    }

    #[test]
    fn a_bill_adds_up() {
        let mut usage = Usage {
            requests: 2.0,
            messages: 4.0,
            connection_minutes: 6.0,
            queue_requests: REQUESTS_A_MESSAGE,
            write_units: 3.0,
            log_bytes: 1000.0,
            gb_seconds: gb_seconds(128, 8.0),
            ..Usage::default()
        };
        usage += Usage {
            requests: 1.0,
            http_api_requests: 1.0,
            read_units: 0.5,
            answer_bytes: 1000.0,
            ..Usage::default()
        };
        let bill = Bill::new(&PRICES, &usage);
        assert!(near(bill.requests, 0.6));
        assert!(near(bill.http_api, 1.0));
        assert!(near(bill.messages, 4.0));
        assert!(near(bill.connections, 1.5));
        assert!(near(bill.queue, 1.2));
        assert!(near(bill.compute, 0.013_333_4));
        assert!(near(bill.writes, 1.875));
        assert!(near(bill.reads, 0.062_5));
        assert!(near(bill.answering(), 10.250_833_4));
        assert!(near(bill.logs, 0.6));
        assert!(near(bill.transfer, 0.09));
        assert!(near(bill.storage, 0.0));
        assert!(near(bill.everything(), 10.250_833_4 + 0.6 + 0.09));
    }

    #[test]
    fn a_record_is_kept_for_months() {
        let usage = Usage {
            item_months: 3.0,
            ..Usage::default()
        };
        let bill = Bill::new(&PRICES, &usage);
        assert!(near(bill.storage, 1.124 * 3.0 * 0.45));
    }
}
