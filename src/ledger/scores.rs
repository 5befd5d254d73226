//! The steering scores of the newest live requests, for whoever compares them with calibration's. Numbers only.

use std::path::Path;

use super::{LedgerError, schema};

/// The scores that the threshold was or would have been held against in the newest `limit` live requests that have
/// one; the fitted head's where there was one, else the shipped score. Nothing where there is no file yet. Blocks.
///
/// # Errors
/// When the file cannot be read.
pub fn recent_scores(path: &Path, limit: u32) -> Result<Vec<f32>, LedgerError> {
    let blame = |error: rusqlite::Error| LedgerError::file(path, format!("scores cannot be read: {error}"));
    let Some(connection) = schema::open_to_read(path)? else { return Ok(vec![]) };
    let newest = "SELECT coalesce(calibrated, local_ok) FROM outcomes
        WHERE origin = 'live' AND local_ok IS NOT NULL ORDER BY at_ms DESC LIMIT ?1";
    let mut statement = connection.prepare(newest).map_err(blame)?;
    let rows = statement.query_map([limit], |row| row.get::<_, f64>(0)).map_err(blame)?;
    rows.map(|row| row.map(|score| score as f32)).collect::<rusqlite::Result<_>>().map_err(blame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_live_scores_come_first_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.sqlite");
        assert_eq!(recent_scores(&path, 10).unwrap(), Vec::<f32>::new());
        let connection = schema::open(&path).unwrap();
        let insert = "INSERT INTO outcomes (id, at_ms, origin, local_ok, calibrated, prompt_tokens_estimate, prompt_tokens,
            cached_prompt_tokens, completion_tokens, reasoning_tokens, tokens_estimated, decided_us, total_us, status,
            error, attempts) VALUES (?1, ?1, ?2, ?3, ?4, 1, 1, 0, 1, 0, 0, 1, 1, 200, 'none', '[]')";
        for (at, origin, score, fitted) in [
            (1, "live", Some(0.25), None),
            (2, "live", Some(0.1), Some(0.5)),
            (3, "eval", Some(0.75), None),
            (4, "live", None, None),
        ] {
            connection.execute(insert, (at, origin, score, fitted)).unwrap();
        }
        assert_eq!(recent_scores(&path, 10).unwrap(), [0.5, 0.25]);
        assert_eq!(recent_scores(&path, 1).unwrap(), [0.5]);
        let broken = folder.path().join("broken.sqlite");
        std::fs::write(&broken, "not a database").unwrap();
        assert!(recent_scores(&broken, 1).is_err());
    }
}
