//! The steering scores of the newest live requests, for whoever compares them with calibration's. Numbers only.

use std::path::Path;

use super::{LedgerError, schema};

/// The newest `limit` scores of live requests from `since_ms` on: the fitted head's with `fitted`, else the shipped
/// ones of requests without a head. Never a mixture, which would look like drift. Nothing where there is no file yet.
/// Blocks.
///
/// # Errors
/// When the file cannot be read.
pub fn recent_scores(path: &Path, limit: u32, since_ms: i64, fitted: bool) -> Result<Vec<f32>, LedgerError> {
    let blame = |error: rusqlite::Error| LedgerError::file(path, format!("scores cannot be read: {error}"));
    let Some(connection) = schema::open_to_read(path)? else { return Ok(vec![]) };
    let newest = "SELECT coalesce(calibrated, local_ok) FROM outcomes
        WHERE origin = 'live' AND local_ok IS NOT NULL AND at_ms >= ?2 AND (calibrated IS NOT NULL) = ?3 ORDER BY at_ms DESC LIMIT ?1";
    let mut statement = connection.prepare(newest).map_err(blame)?;
    let rows = statement.query_map((limit, since_ms, fitted), |row| row.get::<_, f64>(0)).map_err(blame)?;
    rows.map(|row| row.map(|score| score as f32)).collect::<rusqlite::Result<_>>().map_err(blame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_live_scores_come_first_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.sqlite");
        assert_eq!(recent_scores(&path, 10, 0, true).unwrap(), Vec::<f32>::new());
        let connection = schema::open(&path).unwrap();
        let insert = "INSERT INTO outcomes (id, at_ms, origin, local_ok, calibrated, prompt_tokens_estimate, prompt_tokens,
            cached_prompt_tokens, completion_tokens, reasoning_tokens, tokens_estimated, decided_us, total_us, status,
            error, attempts) VALUES (?1, ?1, ?2, ?3, ?4, 1, 1, 0, 1, 0, 0, 1, 1, 200, 'none', '[]')";
        for (at, origin, score, fitted) in [
            (1, "live", Some(0.25), None),
            (0, "live", Some(0.3), Some(0.125)),
            (2, "live", Some(0.1), Some(0.5)),
            (3, "eval", Some(0.75), None),
            (4, "live", None, None),
        ] {
            connection.execute(insert, (at, origin, score, fitted)).unwrap();
        }
        assert_eq!(recent_scores(&path, 10, 0, true).unwrap(), [0.5, 0.125]);
        assert_eq!(recent_scores(&path, 1, 0, true).unwrap(), [0.5]);
        assert_eq!(recent_scores(&path, 10, 1, true).unwrap(), [0.5], "since then");
        assert_eq!(recent_scores(&path, 10, 0, false).unwrap(), [0.25], "of another scale");
        let broken = folder.path().join("broken.sqlite");
        std::fs::write(&broken, "not a database").unwrap();
        assert!(recent_scores(&broken, 1, 0, true).is_err());
    }
}
