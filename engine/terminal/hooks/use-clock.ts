/** @file The current time, once a second: what is running shows that it lives. */
import { useEffect, useState } from 'react'

export function useClock(): number {
  const [nowMs, setNowMs] = useState(Date.now)
  useEffect(() => {
    const timer = setInterval(() => setNowMs(Date.now()), 1000)
    return () => clearInterval(timer)
  }, [])
  return nowMs
}
